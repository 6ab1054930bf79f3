"""The commands `recommend` and `similar`: what a recommender says of one user, or of one item."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_lab.errors import ConfigError, DataError
from experiments.options import (
    AsJson,
    Columns,
    DropGenres,
    Items,
    RunId,
    Scale,
    StoreFolder,
    TaskOptions,
    kept_tables,
    pairs,
    scale_of,
)

Ratings = Annotated[Path, typer.Option("--ratings", help="The log of ratings, or the folder that holds it.")]
Model = Annotated[
    str | None,
    typer.Option("--model", help="A recommender at its defaults.  [default: the store's best on this log, or ease]"),
]
Number = Annotated[int, typer.Option("-n", help="How many items.", min=1)]


def recommend(
    ratings: Ratings,
    user: Annotated[str | None, typer.Option(help="The user's id.")] = None,
    like: Annotated[
        list[str] | None, typer.Option(help="A new user's rating: ITEM=RATING, by id or title; repeatable.")
    ] = None,
    genre: Annotated[list[str] | None, typer.Option(help="A genre that a new user likes; repeatable.")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Instead: the users served best and worst on held-out likings.")
    ] = False,
    n: Number = 20,
    model: Model = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter: name=value.")] = None,
    run: RunId = None,
    items: Items = None,
    drop_genre: DropGenres = None,
    task_option: TaskOptions = None,
    store: StoreFolder = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Recommend items to a user of a log, or to a new one who likes some items or genres."""
    from anomaly_lab.tasks.implicit_ranking import ImplicitRanking
    from anomaly_lab.tasks.registry import make_task
    from experiments import show
    from experiments.asked_log import read_asked
    from experiments.best_and_worst import best_and_worst
    from experiments.fitted import choose_recommender, fitted_on
    from experiments.recommend import recommendations, with_new_user

    if sum((user is not None, bool(like or genre), held_out)) != 1:
        raise ConfigError("one of --user ID, --like ITEM=RATING (or --genre NAME), or --held-out must be given")
    log = read_asked(
        ratings,
        items,
        drop_genres=drop_genre or (),
        scale=scale_of(scale),
        columns=pairs(columns) or None,
        cache=kept_tables(store, create=True),
    )
    chosen = choose_recommender(log, store, model, pairs(settings, "--set"), run)
    if chosen.note:
        typer.echo(f"note: {chosen.note}: {chosen.said}", err=True)
    if held_out:
        task = make_task(ImplicitRanking.name, pairs(task_option, "--task-option"))
        assert isinstance(task, ImplicitRanking)
        shown = best_and_worst(log, chosen.name, chosen.params, task, n)
        if as_json:
            typer.echo(show.to_json([{**vars(one), "table": show.records(one.table)} for one in shown]))
            return
        for one in shown:
            show.print_table(_marked(one.table), title=_title(one, chosen.said, n))
        return
    if user is not None:
        place, keep = _place_of(log, user), True
    else:
        log, place = with_new_user(log, _numbers(like), genre or [])
        keep = False  # nobody else will ask for a recommender that knows this new user
    table = recommendations(log, fitted_on(log, chosen, store if keep else None), place, n)
    if as_json:
        typer.echo(show.to_json({"model": chosen.name, "params": chosen.params, "items": show.records(table)}))
        return
    who = f"user {user}" if user is not None else "the new user"
    show.print_table(_marked(table), title=f"For {who}, by {chosen.said}")
    typer.echo(
        f"{int(table['popular'].sum())} of {len(table)} are among the {len(table)} most rated items not known yet"
    )


def similar(
    ratings: Ratings,
    item: Annotated[str, typer.Option(help="An item's id, its title, or a part of it.")],
    n: Number = 10,
    measure: Annotated[str, typer.Option(help="cosine, or distance (squared).")] = "cosine",
    model: Model = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter: name=value.")] = None,
    run: RunId = None,
    items: Items = None,
    drop_genre: DropGenres = None,
    store: StoreFolder = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """List the items most like one, by the vectors that a recommender has learnt of them."""
    from experiments import show
    from experiments.asked_log import read_asked
    from experiments.fitted import choose_recommender, fitted_on
    from experiments.items import Catalogue
    from experiments.recommend import similar_items

    log = read_asked(
        ratings,
        items,
        drop_genres=drop_genre or (),
        scale=scale_of(scale),
        columns=pairs(columns) or None,
        cache=kept_tables(store, create=True),
    )
    catalogue = Catalogue.of(log)
    place = catalogue.find(item)
    chosen = choose_recommender(log, store, model, pairs(settings, "--set"), run)
    if chosen.note:
        typer.echo(f"note: {chosen.note}: {chosen.said}", err=True)
    table = similar_items(log, fitted_on(log, chosen, store), place, n, measure)
    if as_json:
        typer.echo(show.to_json({"model": chosen.name, "params": chosen.params, "items": show.records(table)}))
        return
    show.print_table(table, title=f"Most like {catalogue.name_of(place)}, by {chosen.said}")


def _place_of(log: Any, user: str) -> int:
    """Return the position of the user with an id."""
    fitting = (log.ratings.user_ids.astype(str) == user).nonzero()[0]
    if not len(fitting):
        some = ", ".join(map(str, log.ratings.user_ids[log.ratings.ascending[:3]]))
        raise DataError(f"{log.path}: --user must be a user's id ({some}, …), found '{user}'")
    return int(fitting[0])


def _numbers(likes: list[str] | None) -> dict[str, float]:
    """Return items and ratings given as ITEM=RATING; titles may hold '='."""
    found = {}
    for text in likes or []:
        item, _, rating = text.rpartition("=")
        try:
            found[item] = float(rating)
        except ValueError:
            item = ""
        if not item:
            raise ConfigError(f"--like must be ITEM=RATING, such as 'Fargo=5', found '{text}'")
    return found


def _marked(table: Any) -> Any:
    """Return a table in which truth is marked and falsehood left blank."""
    marks = {name: table[name].map({True: "x", False: ""}) for name in ("held out", "popular") if name in table}
    return table.assign(**marks)


def _title(one: Any, model: str, n: int) -> str:
    hits = int(one.table["held out"].sum())
    return (
        f"User {one.user}, served {one.which} by {model}: AUC {one.auc:.3f}; of {one.held_out} held out {hits} are "
        f"among the first {n}; {int(one.table['popular'].sum())} of these are also among the {n} most popular"
    )
