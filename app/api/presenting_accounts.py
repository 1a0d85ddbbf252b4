"""From what the services know of API keys to what the API says of them."""

from app.database.repositories.api_keys import ApiKeyRecord
from app.models.accounts import ApiKeyAnswer, NewApiKeyAnswer
from app.services.api_keys import FreshKey


def present_key(record: ApiKeyRecord) -> ApiKeyAnswer:
    """Show a key to its owner."""
    return ApiKeyAnswer.model_validate(_fields(record))


def present_new_key(fresh: FreshKey) -> NewApiKeyAnswer:
    """Show a key to its owner with what it opens."""
    return NewApiKeyAnswer.model_validate({**_fields(fresh.record), "key": fresh.key})


def present_known_key(fresh: FreshKey) -> NewApiKeyAnswer:
    """Show a key as it is remembered: without what it opens."""
    return NewApiKeyAnswer.model_validate({**_fields(fresh.record), "key": None})


def _fields(record: ApiKeyRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "name": record.name,
        "prefix": record.prefix,
        "scopes": record.scopes.split(),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "last_used_at": record.last_used_at,
    }
