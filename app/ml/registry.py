"""Which model answers: one at a time, exchanged between two requests."""

from app.ml.classifier import Classifier


class ModelRegistry:
    """Holds the model in service.

    A request takes the model once, when it begins, and stays with it; so a swap shows in the history from one row to
    the next, and what is under way is finished by the model that began it.

    Parameters
    ----------
    classifier
        None when the service runs without a model.
    """

    def __init__(self, classifier: Classifier | None) -> None:
        self._current = classifier

    @property
    def current(self) -> Classifier | None:
        """The model for the next request."""
        return self._current

    @property
    def version(self) -> str | None:
        """Version of the model in service, None without one."""
        return None if self._current is None else self._current.version

    def use(self, classifier: Classifier) -> None:
        """Let the next request be answered by this model, which was loaded and has passed its self-test."""
        self._current = classifier
