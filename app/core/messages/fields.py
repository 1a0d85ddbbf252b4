"""Texts of what is wrong with one place of the input, by the `type` the answer carries."""

from typing import Final

from app.core.messages.text import Text

FIELDS: Final[dict[str, Text]] = {
    # the body as a whole
    "body_empty": Text("тело запроса пусто", "the body is empty"),
    "json_invalid": Text("это не JSON в кодировке UTF-8", "this is not JSON in UTF-8"),
    "json_bom": Text(
        "тело начинается с метки порядка байтов (BOM), в JSON её быть не должно",
        "the body begins with a byte order mark, which JSON does not allow",
    ),
    "json_nan": Text("NaN и Infinity не являются числами JSON", "NaN and Infinity are not numbers in JSON"),
    "json_number_out_of_range": Text(
        "число в JSON слишком велико: целые ограничены 64 битами, дробные — двойной точностью",
        "a number is too large: integers are limited to 64 bits, others to double precision",
    ),
    "json_too_deep": Text("слишком глубокая вложенность JSON", "the JSON is nested too deeply"),
    "content_encoding": Text(
        "Content-Encoding может быть только gzip, один раз",
        "Content-Encoding may only be gzip, once",
    ),
    "gzip_invalid": Text(
        "тело запроса — не один целый поток gzip", "the body is not one complete gzip stream and nothing else"
    ),
    "form_boundary": Text("в Content-Type формы не указан boundary", "the Content-Type of the form names no boundary"),
    "form_invalid": Text(
        "это не форма multipart/form-data: части, их заголовки или последняя граница нарушены",
        "this is not a multipart/form-data form: its parts, their headers or the last boundary are broken",
    ),
    "form_parts_count": Text(
        "в форме может быть не больше {max_parts} частей", "a form may have at most {max_parts} parts"
    ),
    "form_charset": Text("части формы должны быть в кодировке UTF-8", "the parts of a form must be in UTF-8"),
    "form_part_not_taken": Text(
        "части image и file здесь пока не принимаются; принимаются: {known}",
        "the parts image and file are not taken here yet; taken are: {known}",
    ),
    "not_an_object": Text("здесь ожидается объект JSON", "a JSON object is expected here"),
    "duplicate_key": Text("поле указано дважды", "the field is given twice"),
    "npy_invalid": Text("это не файл .npy с числами", "this is not an .npy file of numbers"),
    "dtype_needed": Text(
        "по размеру тела не понять, какие это числа: укажите dtype=float32 или dtype=int16",
        "the size of the body does not tell what the numbers are: give dtype=float32 or dtype=int16",
    ),
    "int16_is_microvolts": Text(
        "числа int16 — всегда микровольты; для милливольт подойдёт float32",
        "int16 numbers are always microvolts; float32 is for millivolts",
    ),
    "raw_size": Text(
        "размер тела должен делиться на {row_bytes} байт: столько занимает один отсчёт всех отведений",
        "the size of the body must be a multiple of {row_bytes} bytes, which one sample of all leads takes",
    ),
    "samples_invalid": Text("здесь ожидается массив объектов", "an array of objects is expected here"),
    "samples_count": Text(
        "в запросе должно быть от 1 до {max_samples} ЭКГ", "a batch holds between 1 and {max_samples} ECGs"
    ),
    # fields
    "missing": Text("обязательное поле отсутствует", "the field is required"),
    "unknown_field": Text("неизвестное поле; известны: {known}", "unknown field; known are: {known}"),
    "number_expected": Text("здесь ожидается число", "a number is expected here"),
    "integer_expected": Text("здесь ожидается целое число", "an integer is expected here"),
    "boolean_expected": Text("здесь ожидается true или false", "true or false is expected here"),
    "text_expected": Text("здесь ожидается строка", "a string is expected here"),
    "array_expected": Text("здесь ожидается массив", "an array is expected here"),
    "date_time_expected": Text(
        "здесь ожидаются дата и время ISO 8601", "a date and time as in ISO 8601 is expected here"
    ),
    "too_small": Text("значение меньше {limit}", "the value is less than {limit}"),
    "too_large": Text("значение больше {limit}", "the value is greater than {limit}"),
    "not_one_of": Text("допустимые значения: {expected}", "allowed values: {expected}"),
    "value_too_short": Text("слишком короткое значение", "the value is too short"),
    "value_too_long": Text("слишком длинное значение", "the value is too long"),
    "invalid": Text("недопустимое значение", "the value is not allowed"),
    "field_not_taken": Text("есть поле, которое здесь не принимается", "there is a field that is not taken here"),
    # accounts
    "username_invalid": Text(
        "имя может состоять из букв (все латинские или все русские), цифр и знаков ._+- и начинается с буквы или цифры;"
        " подойдёт и e-mail",
        "a name has letters, all Latin or all Russian, digits and ._+-, and begins with a letter or a digit; an e-mail"
        " address will do too",
    ),
    "username_is_other_email": Text(
        "имя в виде e-mail должно совпадать с полем email",
        "a name that is an e-mail address must be the one in the field email",
    ),
    "email_invalid": Text("это не адрес e-mail", "this is not an e-mail address"),
    "text_not_plain": Text("в тексте есть недопустимые знаки", "the text has characters that are not allowed"),
    "password_too_short": Text(
        "в пароле должно быть не меньше {limit} знаков", "a password has at least {limit} characters"
    ),
    "password_too_long": Text(
        "в пароле может быть не больше {limit} знаков", "a password has at most {limit} characters"
    ),
    "password_too_common": Text(
        "этот пароль слишком распространён: его подберут сразу", "this password is too common: it is guessed first"
    ),
    "password_is_name": Text("пароль совпадает с именем или e-mail", "the password is the name or the e-mail address"),
    "password_wrong": Text("текущий пароль указан неверно", "the current password is wrong"),
    "scope_not_yours": Text(
        "ключ с правами admin может создать только администратор", "only an administrator may make a key for admin"
    ),
    # appointments
    "moment_without_zone": Text(
        "укажите смещение от UTC (например, +03:00) или поле time_zone",
        "give an offset from UTC, such as +03:00, or the field time_zone",
    ),
    "local_time_skipped": Text(
        "такого местного времени нет: часы в этот день переводятся вперёд",
        "there is no such local time: clocks are put forward on that day",
    ),
    "time_zone_unknown": Text(
        "это не имя часового пояса IANA, например Europe/Moscow",
        "this is not a time zone's IANA name such as Europe/Moscow",
    ),
    "moment_past": Text("это время уже прошло", "this time has passed"),
    "moment_too_far": Text(
        "записаться можно не больше чем на {max_days} дней вперёд", "appointments begin within {max_days} days"
    ),
    "appointment_length": Text(
        "приём длится от {min_minutes} до {max_minutes} минут",
        "an appointment takes between {min_minutes} and {max_minutes} minutes",
    ),
    "doctor_unknown": Text("такого врача нет или он не принимает", "there is no such doctor who sees patients"),
    "patient_unknown": Text("такого пациента нет", "there is no such patient"),
    "patient_is_doctor": Text("врач и пациент — один человек", "the doctor and the patient are the same person"),
    "appointment_of_others": Text(
        "записать можно только себя или, как врач, к себе",
        "one books for oneself, or as a doctor with oneself",
    ),
    # the signal
    "signal_not_array": Text("сигнал должен быть массивом", "the signal must be an array"),
    "signal_not_numeric": Text(
        "сигнал должен состоять только из чисел", "the signal must consist of numbers and nothing else"
    ),
    "signal_not_finite": Text("сигнал должен состоять из конечных чисел", "the numbers of the signal must be finite"),
    "signal_empty": Text("сигнал пуст", "the signal is empty"),
    "signal_ragged": Text(
        "строки сигнала должны быть одной длины, по числу на отведение",
        "the rows of the signal must be of one length, a number a lead",
    ),
    "signal_not_2d": Text(
        "массив должен быть двумерным: [отсчёт][отведение]", "a 2-D array is expected: [sample][lead]"
    ),
    "signal_flat_without_shape": Text(
        "сигнал должен быть массивом строк [отсчёт][отведение]; плоскому массиву нужно поле shape",
        "the signal must be an array of rows [sample][lead]; a flat array needs the field shape",
    ),
    "shape_mismatch": Text(
        "число значений сигнала не соответствует shape", "the signal does not have as many values as shape says"
    ),
    "shape_with_rows": Text(
        "shape указывает форму плоского сигнала, а здесь сигнал из строк",
        "shape is for a flat signal; this one is made of rows",
    ),
    # tensors of the Open Inference Protocol
    "infer_header_length": Text(
        "Inference-Header-Content-Length должен быть числом байт JSON, не больше тела",
        "Inference-Header-Content-Length must be the size of the JSON in bytes, which lies within the body",
    ),
    "infer_json_too_large": Text(
        "JSON больше {max_mib} МиБ; передайте тензоры в двоичном виде",
        "the JSON is larger than {max_mib} MiB; send the tensors as binary data",
    ),
    "infer_parameter": Text(
        "параметры могут быть строками, числами и логическими значениями", "parameters are texts, numbers and booleans"
    ),
    "infer_extension": Text(
        "это расширение протокола не поддерживается; поддерживается binary_tensor_data",
        "this extension of the protocol is not supported; binary_tensor_data is",
    ),
    "tensor_shape": Text(
        "shape — это массив из 1-3 неотрицательных целых чисел", "shape is an array of 1 to 3 whole numbers from zero"
    ),
    "tensor_signal_shape": Text(
        "форма тензора должна быть [n, 5000, 12] или [5000, 12]", "the shape must be [n, 5000, 12] or [5000, 12]"
    ),
    "tensor_column_shape": Text(
        "форма тензора должна быть [{n_samples}] или [{n_samples}, 1]: по значению на ЭКГ",
        "the shape must be [{n_samples}] or [{n_samples}, 1]: a value for every ECG",
    ),
    "tensor_size": Text(
        "данных не столько, сколько следует из shape и datatype", "the data are not as many as shape and datatype say"
    ),
    "tensor_data": Text(
        "данные должны состоять из чисел, для BYTES — из строк", "the data must be numbers, for BYTES texts"
    ),
    "tensor_nesting": Text(
        "данные должны быть плоским массивом или вложенными массивами, как говорит shape",
        "the data must be a flat array, or nested as shape says",
    ),
    "tensor_twice": Text(
        "данные тензора даны и в JSON, и в двоичном виде", "the data of the tensor are given in JSON and as bytes"
    ),
    "tensor_bytes_left": Text(
        "после JSON есть байты, которые не относятся ни к одному тензору",
        "there are bytes behind the JSON that belong to no tensor",
    ),
}
"""Types of faults; placeholders are limits of ours, never the caller's values."""
