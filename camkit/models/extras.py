"""Libraries that only some models need, imported when such a model is asked for."""

from importlib import import_module
from types import ModuleType

from camkit.errors import CamkitError
from camkit.models.messages import one_line


def extra(library: str, prefix: str, name: str, *parts: str) -> ModuleType:
    """The library, with those of its parts that it does not import by itself.

    Parameters
    ----------
    library : str
        As it is imported.
    prefix : str
        Of the models that need it, for the error message.
    name : str
        Camkit's extra that installs it.

    Raises
    ------
    CamkitError
        It is not installed; the message has the command that installs it.
    """
    try:
        found = import_module(library)
        for part in parts:
            import_module(f"{library}.{part}")
    except ImportError as error:
        raise CamkitError(
            f"{prefix} models need {library} ({one_line(error)}); run pip install 'camkit[{name}]'"
        ) from error
    return found
