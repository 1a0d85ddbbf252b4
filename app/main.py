"""`python -m app.main`: read the settings and serve, in as many processes as they say."""

import sys

from pydantic import ValidationError

from app.core.config import Settings
from app.core.logging import configure_logging
from app.serving.supervisor import supervise


def main() -> int:
    """Run the service until it is told to stop; return the process's exit code."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = ".".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"refusing to start: {name + ': ' if name else ''}{fault['msg']}\n")
        return 1
    configure_logging(settings.log_level, as_json=settings.logs_json)
    if settings.n_workers > 1:
        return supervise(settings)
    from app.serving.worker import serve_alone  # noqa: PLC0415 - the supervising process needs no model and no database

    return serve_alone(settings)


if __name__ == "__main__":
    sys.exit(main())
