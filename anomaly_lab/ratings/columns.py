"""Which column of a table holds what, by common names or as given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from anomaly_lab.errors import ConfigError, DataError

COMMON_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "reviewerid", "memberid", "customerid"),
    "item": (
        *("item", "itemid", "iid", "movie", "movieid", "anime", "animeid", "book", "bookid", "song", "songid"),
        *("track", "trackid", "artist", "artistid", "game", "gameid", "product", "productid", "asin"),
    ),
    "rating": ("rating", "score", "feedback", "stars"),
    "timestamp": ("timestamp", "time", "unixtime", "unixreviewtime"),
    "label": ("label", "fake", "isfake", "anomaly", "isanomaly", "y"),
    "kind": ("kind", "anomalykind", "anomalytype", "attack", "attacktype"),
}
ITEM_NAMES: dict[str, tuple[str, ...]] = {
    "item": (*COMMON_NAMES["item"], "animeids", "id"),
    "title": ("title", "name", "movietitle", "animetitle", "booktitle", "itemname"),
    "genres": ("genres", "genre", "categories", "category"),
}


def find_columns(
    names: Sequence[str],
    given: Mapping[str, str] | None,
    *,
    needed: Iterable[str],
    optional: Iterable[str],
    source: str,
    common: Mapping[str, tuple[str, ...]] = COMMON_NAMES,
) -> dict[str, str]:
    """Return the name of the column for every role that the table fills.

    Parameters
    ----------
    names : sequence of str
        The table's columns.
    given : mapping of str to str, optional
        Role to column name, where the user said so; goes before common names. Case, spaces, ``_`` and ``-`` do not
        matter in common names, but do in given ones.
    needed, optional : iterable of str
        Roles that must be filled and roles that may be.
    source : str
        The file, for messages.
    common : mapping of str to tuple of str
        The roles there are, and the common names of each.

    Raises
    ------
    ConfigError
        If `given` names a role that does not exist.
    DataError
        If a needed or given column is missing, or two columns fit one role.
    """
    given = given or {}
    unknown = sorted(set(given) - set(common))
    if unknown:
        raise ConfigError(f"--columns must name one of {', '.join(common)}, found '{unknown[0]}'")
    needed = tuple(needed)
    found = {role: _find(role, names, given, source, common) for role in (*needed, *optional)}
    for role in needed:
        if found[role] is None:
            raise DataError(
                f"{source}: must have a column for the {role} ({', '.join(common[role][:3])}, …), "
                f"found columns {_list(names)}; say which with --columns {role}=NAME"
            )
    return {role: name for role, name in found.items() if name is not None}


def _find(
    role: str,
    names: Sequence[str],
    given: Mapping[str, str],
    source: str,
    common: Mapping[str, tuple[str, ...]],
) -> str | None:
    if role in given:
        matches = [name for name in names if name == given[role]]
        if not matches:
            raise DataError(f"{source}: must have column '{given[role]}' for the {role}, found columns {_list(names)}")
    else:
        matches = [name for name in names if _plain(name) in common[role] and name not in given.values()]
    if len(matches) > 1:
        raise DataError(
            f"{source}: one column must hold the {role}, found columns {_list(matches)}; "
            f"say which with --columns {role}=NAME"
        )
    return matches[0] if matches else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown}, …"
