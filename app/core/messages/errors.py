"""Texts of the errors, by the code of their class in `app.core.exceptions`."""

from typing import Final

from app.core.messages.text import ErrorText, Text

ERRORS: Final[dict[str, ErrorText]] = {
    "invalid-input": ErrorText(
        Text("Неверные данные", "Invalid input"),
        Text("Неверный формат данных", "The request is not what it should be"),
        Text(
            "Исправьте места, названные в `errors`: `loc` указывает поле, `type` — причину.",
            "Correct what `errors` names: `loc` is the place, `type` the reason.",
        ),
    ),
    "not-authenticated": ErrorText(
        Text("Требуется авторизация", "Not authenticated"),
        Text("Could not validate credentials", "Could not validate credentials"),
        Text(
            "Получите токен через POST /api/v1/auth/login и передайте его в заголовке Authorization: Bearer <токен>.",
            "Get a token from POST /api/v1/auth/login and send it as Authorization: Bearer <token>.",
        ),
    ),
    "token-expired": ErrorText(
        Text("Срок действия токена истёк", "Token expired"),
        Text("Token has expired", "Token has expired"),
        Text(
            "Получите новый токен через POST /api/v1/auth/login.",
            "Get a new token from POST /api/v1/auth/login.",
        ),
    ),
    "wrong-credentials": ErrorText(
        Text("Вход отклонён", "Login refused"),
        Text("Неверное имя пользователя или пароль", "Wrong user name or password"),
        Text("Проверьте имя и пароль.", "Check the name and the password."),
    ),
    "insufficient-credits": ErrorText(
        Text("Недостаточно кредитов", "Not enough credits"),
        Text("Недостаточно кредитов на балансе", "The balance does not cover the price"),
        Text(
            "Ничего не списано. Пополните баланс через POST /api/v1/transactions/deposit и повторите запрос.",
            "Nothing was taken. Top up with POST /api/v1/transactions/deposit and send the request again.",
        ),
    ),
    "admin-required": ErrorText(
        Text("Недостаточно прав", "Not allowed"),
        Text("Требуются права администратора", "Administrator rights are required"),
        Text("Войдите как администратор.", "Log in as an administrator."),
    ),
    "login-required": ErrorText(
        Text("Нужен вход по паролю", "Log in first"),
        Text(
            "Это действие доступно только после входа по паролю",
            "Only somebody who logged in with a password may do this",
        ),
        Text(
            "Ключ API и ADMIN_TOKEN здесь не подходят: возьмите токен через POST /api/v1/auth/login.",
            "An API key or ADMIN_TOKEN is not enough: use a token from POST /api/v1/auth/login.",
        ),
    ),
    "foreign-page": ErrorText(
        Text("Чужая страница", "Foreign page"),
        Text(
            "Cookie принимается только от страниц этого сервиса",
            "The cookie is taken from pages of this service only",
        ),
        Text(
            "Браузер подтверждает это заголовком Sec-Fetch-Site или Origin. Программам проще передать refresh_token"
            " в теле запроса или в заголовке Authorization.",
            "Browsers show it by Sec-Fetch-Site or Origin. Programs had better send refresh_token in the body or in"
            " the Authorization header field.",
        ),
    ),
    "processing-failed": ErrorText(
        Text("Сигнал не обработан", "Signal not processed"),
        Text("Модель не смогла обработать данные", "The model could not process the data"),
        Text(
            "Сигнал принят, но классифицировать его нельзя: причина названа в `errors`. Снимите ЭКГ заново.",
            "The signal is valid but cannot be classified; `errors` names the reason. Record the ECG again.",
        ),
    ),
    "not-found": ErrorText(
        Text("Не найдено", "Not found"),
        Text("Ничего не найдено", "Nothing is here"),
        Text("Адреса сервиса перечислены на /docs.", "The addresses of the service are listed at /docs."),
    ),
    "method-not-allowed": ErrorText(
        Text("Метод не поддерживается", "Method not allowed"),
        Text("Этот адрес не принимает такой метод", "This address does not take that method"),
        Text("Допустимые методы названы в заголовке Allow.", "The Allow header field names the methods it takes."),
    ),
    "conflict": ErrorText(
        Text("Конфликт", "Conflict"),
        Text("Запрос противоречит тому, что уже есть", "What is there already stands in the way"),
        Text("Посмотрите, что уже есть, и измените запрос.", "See what is there, and change the request."),
    ),
    "account-exists": ErrorText(
        Text("Учётная запись уже есть", "The account exists"),
        Text("Имя пользователя или e-mail уже заняты", "The user name or the e-mail address is taken"),
        Text("Выберите другое имя или войдите.", "Choose another name, or log in."),
    ),
    "account-from-settings": ErrorText(
        Text("Учётная запись из настроек", "An account of the settings"),
        Text(
            "Пароль и права этого администратора задают настройки сервиса",
            "The password and the rights of this administrator are what the settings say",
        ),
        Text(
            "Измените ADMIN_USERNAME или ADMIN_PASSWORD и перезапустите сервис.",
            "Change ADMIN_USERNAME or ADMIN_PASSWORD and restart the service.",
        ),
    ),
    "too-many-keys": ErrorText(
        Text("Слишком много ключей", "Too many keys"),
        Text("У учётной записи уже слишком много ключей API", "The account has too many API keys already"),
        Text("Удалите ненужные: DELETE /api/v1/auth/keys/{{id}}.", "Delete some: DELETE /api/v1/auth/keys/{{id}}."),
    ),
    "balance-limit": ErrorText(
        Text("Предел баланса", "Limit of the balance"),
        Text("Баланс не может стать таким большим", "No balance may become that large"),
        Text("Ничего не зачислено. Пополните баланс на меньшую сумму.", "Nothing was added. Deposit less."),
    ),
    "already-booked": ErrorText(
        Text("Уже проведено", "Already booked"),
        Text("Такая операция по этому предмету уже проведена", "There is such a transaction about this already"),
        Text("Посмотрите операции: GET /api/v1/transactions.", "See the transactions: GET /api/v1/transactions."),
    ),
    "idempotency-key-reused": ErrorText(
        Text("Ключ уже занят", "The key is taken"),
        Text("Этот Idempotency-Key уже дан другому запросу", "This Idempotency-Key was given to another request"),
        Text(
            "Ничего не сделано. Каждому новому запросу нужен новый ключ; прежний нужен, чтобы повторить тот же запрос.",
            "Nothing was done. A new request needs a new key; the old one is for sending the same request again.",
        ),
    ),
    "appointment-overlap": ErrorText(
        Text("Время занято", "The time is taken"),
        Text(
            "У врача или пациента уже есть приём в это время",
            "The doctor or the patient has another appointment at that time",
        ),
        Text("Выберите другое время.", "Choose another time."),
    ),
    "appointment-settled": ErrorText(
        Text("Приём так изменить нельзя", "The appointment does not allow it"),
        Text(
            "Состояние или время приёма не допускает такого изменения",
            "The state or the time of the appointment does not allow this change",
        ),
        Text(
            "Переходы: booked → confirmed или cancelled, confirmed → completed, no_show или cancelled; completed и"
            " no_show — только после начала. Пациент отменяет и переносит приём до его начала.",
            "From booked to confirmed or cancelled, from confirmed to completed, no_show or cancelled; completed and"
            " no_show only once it has begun. Patients cancel and move an appointment before it begins.",
        ),
    ),
    "appointment-changed": ErrorText(
        Text("Приём уже изменён", "The appointment was changed"),
        Text("Приём изменён после того, как вы его прочитали", "The appointment was changed after you have read it"),
        Text(
            "Прочитайте приём заново и повторите запрос с его version.",
            "Read the appointment again, and repeat the request with its version.",
        ),
    ),
    "body-too-large": ErrorText(
        Text("Слишком большой запрос", "Request too large"),
        Text("Тело запроса больше допустимого размера", "The body of the request is larger than allowed"),
        Text(
            "Отправьте меньше данных; пределы задают MAX_BODY_BYTES и MAX_BATCH_BODY_BYTES.",
            "Send less; the caps are MAX_BODY_BYTES and MAX_BATCH_BODY_BYTES.",
        ),
    ),
    "unsupported-content-type": ErrorText(
        Text("Тип данных не поддерживается", "Unsupported content type"),
        Text("Этот адрес не принимает данные такого типа", "This address does not read a body of that type"),
        Text(
            "Content-Type должен быть одним из типов в заголовке Accept ответа, Content-Encoding — из Accept-Encoding.",
            "Content-Type must be one of the answer's Accept field, Content-Encoding one of its Accept-Encoding.",
        ),
    ),
    "too-many-requests": ErrorText(
        Text("Слишком много запросов", "Too many requests"),
        Text("Превышен предел запросов для одного клиента", "One caller's limit of requests is exceeded"),
        Text("Повторите запрос через Retry-After секунд.", "Try again after Retry-After seconds."),
    ),
    "login-throttled": ErrorText(
        Text("Вход приостановлен", "Login paused"),
        Text("Слишком много неудачных попыток входа", "Too many wrong passwords"),
        Text(
            "Повторите вход через Retry-After секунд; верный пароль до тех пор тоже не принимается.",
            "Try again after Retry-After seconds; until then the right password is not taken either.",
        ),
    ),
    "caller-gone": ErrorText(
        Text("Клиент отключился", "The caller hung up"),
        Text("Клиент отключился, не дождавшись ответа", "The caller hung up before the answer"),
        Text("Повторите запрос и дождитесь ответа.", "Send the request again and wait for the answer."),
    ),
    "internal-error": ErrorText(
        Text("Внутренняя ошибка", "Internal error"),
        Text("Внутренняя ошибка сервиса", "Something broke inside the service"),
        Text(
            "Это ошибка сервиса. Сообщите значение X-Request-ID тому, кто его обслуживает.",
            "This is a bug of the service. Tell its operator the X-Request-ID.",
        ),
    ),
    "unavailable": ErrorText(
        Text("Сервис недоступен", "Unavailable"),
        Text("Сервис временно недоступен", "The service is not available now"),
        Text("Повторите запрос через Retry-After секунд.", "Try again after Retry-After seconds."),
    ),
    "model-not-loaded": ErrorText(
        Text("Модель не загружена", "No model"),
        Text("Модель не загружена", "No model is loaded"),
        Text(
            "Обучите модель: python model_training/train_model.py, или укажите MODEL_PATH.",
            "Train one: python model_training/train_model.py, or set MODEL_PATH.",
        ),
    ),
    "overloaded": ErrorText(
        Text("Сервис перегружен", "Overloaded"),
        Text("Слишком много запросов одновременно", "Too many requests at once"),
        Text("Повторите запрос через Retry-After секунд.", "Try again after Retry-After seconds."),
    ),
    "deadline-exceeded": ErrorText(
        Text("Срок ответа истёк", "Deadline exceeded"),
        Text(
            "Ответ не будет готов к сроку, который назвал клиент", "The answer would come after the caller's deadline"
        ),
        Text(
            "Увеличьте X-Request-Timeout-Ms или повторите запрос через Retry-After секунд.",
            "Raise X-Request-Timeout-Ms, or try again after Retry-After seconds.",
        ),
    ),
    "storage-unavailable": ErrorText(
        Text("База данных недоступна", "Storage unavailable"),
        Text("База данных недоступна", "The database is not available"),
        Text(
            "Запрос не записан, поэтому ответа нет. Повторите его через Retry-After секунд.",
            "The request could not be recorded, so it is not answered. Try again after Retry-After seconds.",
        ),
    ),
    "shutting-down": ErrorText(
        Text("Сервис останавливается", "Shutting down"),
        Text("Сервис останавливается", "The service is shutting down"),
        Text("Повторите запрос через Retry-After секунд.", "Try again after Retry-After seconds."),
    ),
}
