"""Errors of the service: each owns its HTTP status and its code.

    ServiceError
    ├── InvalidInput              400  the request cannot be read as what it should be
    ├── NotAuthenticated          401  no token, or one that is not ours
    ├── TokenExpired              401
    ├── WrongCredentials          401  login refused
    ├── InsufficientCredits       402  the balance does not cover the price
    ├── AdminRequired             403
    ├── LoginRequired             403  an API key where only somebody who logged in may act
    ├── ForeignPage               403  a cookie that another site's page sent
    ├── ProcessingFailed          403  a valid signal that the model cannot process
    ├── NotFound                  404
    ├── MethodNotAllowed          405
    ├── Conflict                  409
    │   ├── AccountExists              the name or the e-mail address is taken
    │   ├── AccountFromSettings        what the settings say of the administrator, only they can change
    │   ├── TooManyKeys
    │   ├── BalanceLimit               no balance may become that large
    │   ├── AlreadyBooked              what is charged for was charged for
    │   ├── IdempotencyKeyReused       the key stands for another request
    │   ├── AppointmentOverlap         the doctor or the patient is taken at that time
    │   ├── AppointmentSettled         what the appointment is like already does not allow it
    │   └── AppointmentChanged         somebody else changed it meanwhile
    ├── BodyTooLarge              413
    ├── UnsupportedContentType    415
    ├── TooManyRequests           429  the caller's own limit, with Retry-After
    │   └── LoginThrottled             too many wrong passwords
    ├── CallerGone                499  hung up before the answer: nobody reads this one, but the history shows it
    ├── InternalError             500  a bug; the log has the rest
    └── Unavailable               503  try again later, with Retry-After
        ├── ModelNotLoaded
        ├── Overloaded
        ├── DeadlineExceeded           the caller's own deadline cannot be kept
        ├── StorageUnavailable
        └── ShuttingDown

The texts are in `messages`, by code. The code is also the last part of the problem's `type` URI.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldError:
    """One thing that is wrong with the input, without the input."""

    #: path to the field, as a client would write it
    loc: tuple[str | int, ...]
    #: stable code in snake_case, known to the catalogue of messages
    type: str
    #: what the placeholders of the text for `type` take: limits of ours, never the caller's values
    params: Mapping[str, object] | None = None


class ServiceError(Exception):
    """Anything the service answers other than 2xx."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    #: whether `detail` says which place of the input is wrong
    names_place: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        /,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **params: object,
    ) -> None:
        """
        Keep what the answer needs.

        Parameters
        ----------
        message
            Code in the catalogue that says more than the error's own code does.
        errors
            Faults by field.
        headers
            Header fields for the answer.
        **params
            What the message's placeholders take.
        """
        super().__init__(message or self.code)
        self.message = message or self.code
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.params = params


class InvalidInput(ServiceError):
    """The request cannot be read as what it should be."""

    status = 400
    code = "invalid-input"
    names_place = True


class NotAuthenticated(ServiceError):
    """No token, or one that is not ours."""

    status = 401
    code = "not-authenticated"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class TokenExpired(ServiceError):
    """A token of ours whose time is over."""

    status = 401
    code = "token-expired"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class WrongCredentials(ServiceError):
    """Login refused; it never says which half was wrong."""

    status = 401
    code = "wrong-credentials"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class InsufficientCredits(ServiceError):
    """The balance does not cover the price; nothing was taken."""

    status = 402
    code = "insufficient-credits"


class AdminRequired(ServiceError):
    """A valid token without the role."""

    status = 403
    code = "admin-required"


class LoginRequired(ServiceError):
    """An API key or the administrator's token where only somebody who logged in may act."""

    status = 403
    code = "login-required"


class ForeignPage(ServiceError):
    """A cookie came without a sign that a page of this service sent it."""

    status = 403
    code = "foreign-page"


class ProcessingFailed(ServiceError):
    """A valid signal that the model cannot process."""

    status = 403
    code = "processing-failed"


class NotFound(ServiceError):
    """Nothing there, or nothing of the caller's."""

    status = 404
    code = "not-found"


class MethodNotAllowed(ServiceError):
    """The address exists, the method does not."""

    status = 405
    code = "method-not-allowed"


class Conflict(ServiceError):
    """What is there already stands in the way."""

    status = 409
    code = "conflict"


class AccountExists(Conflict):
    """The name or the e-mail address is taken; it never says which."""

    code = "account-exists"


class AccountFromSettings(Conflict):
    """The administrator's password and rights are what the settings say."""

    code = "account-from-settings"


class TooManyKeys(Conflict):
    """An account has as many API keys as it may have."""

    code = "too-many-keys"


class BalanceLimit(Conflict):
    """The deposit would make the balance larger than any may be."""

    code = "balance-limit"


class AlreadyBooked(Conflict):
    """There is a transaction of this kind about the same thing."""

    code = "already-booked"


class IdempotencyKeyReused(Conflict):
    """The caller gave the same key to another request."""

    code = "idempotency-key-reused"


class AppointmentOverlap(Conflict):
    """The doctor or the patient has another appointment at that time; it never says which of the two."""

    code = "appointment-overlap"


class AppointmentSettled(Conflict):
    """An appointment that is closed, has begun or has not begun yet does not allow it."""

    code = "appointment-settled"


class AppointmentChanged(Conflict):
    """The appointment is not any more what the caller has seen."""

    code = "appointment-changed"


class BodyTooLarge(ServiceError):
    """The body passes the size cap; nobody reads the rest of it."""

    status = 413
    code = "body-too-large"

    def __init__(self, message: str | None = None, /, **params: object) -> None:
        super().__init__(message, errors=(), headers={"Connection": "close"}, **params)


class UnsupportedContentType(ServiceError):
    """A body of a kind this address does not read."""

    status = 415
    code = "unsupported-content-type"


class TooManyRequests(ServiceError):
    """The caller asks more often than it may."""

    status = 429
    code = "too-many-requests"

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_s)})


class LoginThrottled(TooManyRequests):
    """Too many wrong passwords; the right one has to wait as well."""

    code = "login-throttled"


class CallerGone(ServiceError):
    """The caller hung up before the answer."""

    status = 499
    code = "caller-gone"


class InternalError(ServiceError):
    """A bug; the log has the rest."""

    status = 500
    code = "internal-error"


class Unavailable(ServiceError):
    """Not now: try again later."""

    status = 503
    code = "unavailable"
    retry_after_s: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(self.retry_after_s)})


class ModelNotLoaded(Unavailable):
    """The service runs without a model."""

    code = "model-not-loaded"
    retry_after_s = 60


class Overloaded(Unavailable):
    """The queue of computations is full."""

    code = "overloaded"
    retry_after_s = 1


class DeadlineExceeded(Unavailable):
    """The answer would come later than the caller waits."""

    code = "deadline-exceeded"
    retry_after_s = 1


class StorageUnavailable(Unavailable):
    """The database cannot be reached or written."""

    code = "storage-unavailable"


class ShuttingDown(Unavailable):
    """The process is on its way out."""

    code = "shutting-down"
