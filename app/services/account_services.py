"""Everything that deals with accounts, put together once: for the service, and for whoever runs it from a console."""

from dataclasses import dataclass
from datetime import timedelta

from app.core.config import Settings
from app.core.security import PasswordHasher, TokenSigner
from app.database.connection import Database
from app.database.repositories.api_keys import ApiKeyRepository
from app.database.repositories.login_failures import LoginFailureRepository
from app.database.repositories.sessions import Lifetimes, SessionRepository
from app.database.repositories.settings_administrator import SettingsAdministratorRepository
from app.database.repositories.users import UserRepository
from app.services.accounts import AccountService
from app.services.administrator import SettingsAdministrator
from app.services.api_keys import ApiKeyService
from app.services.auth import AuthService
from app.services.identity import IdentityService
from app.services.login_throttle import LoginThrottle


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountServices:
    """The services, by what they are asked."""

    identity: IdentityService
    auth: AuthService
    users: AccountService
    keys: ApiKeyService
    administrator: SettingsAdministrator


def build_account_services(settings: Settings, database: Database) -> AccountServices:
    """Put the services together; nothing is read or written yet."""
    secret = settings.jwt_secret_key.get_secret_value()
    users, keys, hasher = UserRepository(database), ApiKeyRepository(database), PasswordHasher()
    signer = TokenSigner(secret, timedelta(minutes=settings.jwt_access_token_expire_minutes))
    lifetimes = Lifetimes(
        idle=timedelta(days=settings.refresh_token_idle_days), longest=timedelta(days=settings.refresh_token_max_days)
    )
    administrator = SettingsAdministrator(
        username=settings.admin_username,
        password=settings.admin_password.get_secret_value(),
        users=users,
        repository=SettingsAdministratorRepository(database),
        hasher=hasher,
    )
    return AccountServices(
        administrator=administrator,
        identity=IdentityService(
            users=users,
            keys=keys,
            signer=signer,
            administrator=administrator,
            admin_token=settings.admin_token.get_secret_value() if settings.admin_token else None,
        ),
        auth=AuthService(
            users=users,
            sessions=SessionRepository(database, lifetimes),
            administrator=administrator,
            throttle=LoginThrottle(LoginFailureRepository(database), secret),
            signer=signer,
            hasher=hasher,
            rules=settings.rules_for_passwords,
        ),
        users=AccountService(
            users=users,
            administrator=administrator,
            hasher=hasher,
            rules=settings.rules_for_passwords,
            registration=settings.registration,
        ),
        keys=ApiKeyService(keys),
    )
