"""What can go wrong, each error also a builtin so that a notebook can catch what it expects."""


class LabError(Exception):
    """A mistake the user can mend; the command line prints it in one line and exits with 2."""


class DataError(LabError, ValueError):
    """Ratings, labels or scores are not what they must be."""


class ConfigError(LabError, ValueError):
    """A setting names something that does not exist or lies outside its range."""


class PluginError(LabError, ImportError):
    """A registered model or feature family cannot be loaded."""


class ContractError(LabError, TypeError):
    """A model returned something its task does not accept."""


class StoreError(LabError, RuntimeError):
    """The store of runs lacks what was asked for."""


class FetchError(LabError, ConnectionError):
    """Published data cannot be reached, or the connection broke."""
