"""A stage's settings in the launchpad: the fields of its pydantic model as a schema that Dagster checks at launch.

The launchpad takes what the profile takes and lays it over the profile's section, so a launch names only what is to be
different. What a schema cannot say, such as ranges, the model itself refuses before the run's first step.
"""

import types
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from models.auto import AUTO, LEFT_TO_DATA, FollowsData, mark_of

TEXTS = {str: "", date: "ISO date", datetime: "ISO date and time", timedelta: "ISO 8601 duration, such as PT10M"}
SCALARS: dict[Any, Any] = {bool: dg.Bool, int: dg.Int, float: dg.Float} | dict.fromkeys(TEXTS, dg.String)
SEQUENCES = (tuple, list, set, frozenset)


def schema(annotation: Any, settings: object = None, left: Collection[str] | None = None) -> Any:
    """The Dagster config type of values that `annotation` describes.

    A choice of models is one mapping with the fields of all of them, as in the profile; its tag says which are meant.

    Args:
        annotation: A pydantic model, or what the field of one is annotated with.
        settings: What counts where a launch says nothing; it is told with each field, not filled into the launchpad.
        left: Paths below that are left to the data; None where nothing can be.

    Raises:
        TypeError: there is no such type yet; give it a branch here.
    """
    plain, models = _plain(annotation), models_of(annotation)
    options = get_args(plain)
    if plain in SCALARS:
        return SCALARS[plain]
    if plain is Any:
        return dg.Any
    if models:
        if isinstance(settings, FollowsData):
            left = settings.left_to_data
        return _fields_of(models, settings, left)
    match get_origin(plain):
        case origin if origin is Literal:
            return _choice(options)
        case origin if origin in SEQUENCES:
            kinds = {option for option in options if option is not Ellipsis}
            return dg.Array(schema(kinds.pop()) if len(kinds) == 1 else dg.Any)
        case origin if origin in (dict, Mapping):
            return {SCALARS[options[0]]: schema(options[1])}
        case origin if origin in (Union, types.UnionType):
            return _either(options)
    raise TypeError(f"the launchpad has no type for {annotation}")


def overridden(annotation: Any, base: Any, given: Any) -> Any:
    """`given` laid over `base`: mappings key by key, all else as a whole; another model starts from its defaults."""
    if not isinstance(base, Mapping) or not isinstance(given, Mapping):
        return given
    models = models_of(annotation)
    tag = _tag(models)
    if tag and tag in given and given[tag] != base.get(tag, models[0].model_fields[tag].default):
        return given
    fields = {name: field.annotation for model in models for name, field in model.model_fields.items()}
    return {**base, **{key: overridden(fields.get(key), base.get(key), value) for key, value in given.items()}}


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """The models that `annotation` chooses from: none, one, or several."""
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return [plain]
    if get_origin(plain) in (Union, types.UnionType):
        return [model for option in get_args(plain) for model in models_of(option)]
    return []


def _fields_of(models: list[type[BaseModel]], settings: object, left: Collection[str] | None) -> dg.Shape:
    fields: dict[str, list[FieldInfo]] = {}
    for model in models:
        for name, field in model.model_fields.items():
            if name != LEFT_TO_DATA:
                fields.setdefault(name, []).append(field)
    tag = _tag(models)
    return dg.Shape(  # type: ignore[no-untyped-call]
        {
            name: dg.Field(
                _choice([value for field in variants for value in get_args(field.annotation)])
                if name == tag
                else _of_any(variants, getattr(settings, name, None), _below(left, name)),
                is_required=False,
                description=_description(variants, settings, name, left),
            )
            for name, variants in fields.items()
        },
        description=" Or: ".join(_summary(model) for model in models),
    )


def _tag(models: list[type[BaseModel]]) -> str | None:
    """The field whose one value tells several models apart."""
    if len(models) < 2:
        return None
    shared = [name for name in models[0].model_fields if all(_is_tag(model, name) for model in models)]
    return shared[0] if shared else None


def _is_tag(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields and get_origin(model.model_fields[name].annotation) is Literal


def _of_any(variants: list[FieldInfo], value: object, left: Collection[str] | None) -> Any:
    """One type for a field that several models have."""
    distinct = list({str(field.annotation): field.annotation for field in variants}.values())
    if left is not None and any(mark_of(field.metadata) for field in variants):
        return _or_auto(distinct)
    return schema(distinct[0], value, left) if len(distinct) == 1 else _either(tuple(distinct))


def _or_auto(annotations: list[Any]) -> Any:
    """One of some names or `auto`; there is no type of a number or `auto`, so the section refuses what is neither."""
    names = [name for annotation in annotations if get_origin(annotation) is Literal for name in get_args(annotation)]
    return _choice([*names, AUTO]) if names else dg.Any


def _below(left: Collection[str] | None, name: str) -> Collection[str] | None:
    """Of the paths that are left to the data those below `name`."""
    return None if left is None else [path.removeprefix(f"{name}.") for path in left if path.startswith(f"{name}.")]


def _either(options: tuple[Any, ...]) -> Any:
    """One of several types; where the schema cannot tell them apart, anything."""
    some = [option for option in options if option is not types.NoneType]
    if len(some) < len(options):
        return dg.Noneable(schema(some[0]) if len(some) == 1 else _either(tuple(some)))
    return dg.Any


def _choice(values: Any) -> Any:
    distinct = list(dict.fromkeys(values))
    if not all(isinstance(value, str) for value in distinct):
        return SCALARS[type(distinct[0])]
    return dg.Enum("_or_".join(distinct), [dg.EnumValue(value) for value in distinct])


def _description(variants: list[FieldInfo], settings: object, name: str, left: Collection[str] | None) -> str:
    """What the field says of itself, and what counts where a launch says nothing."""
    field = variants[0]
    described = list(dict.fromkeys(field.description for field in variants if field.description))
    described = described or [_summary(model) for model in models_of(field.annotation)]
    told = [" Or: ".join(described), TEXTS.get(_plain(field.annotation), "")]
    if not models_of(field.annotation):
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if left is not None and mark_of(field.metadata):
            told.append(f"{AUTO}: what the data say")
        told.append(f"Unless given: {AUTO if name in (left or ()) else _shown(getattr(settings, name, default))}")
    return " ".join(f"{text.rstrip('.')}." for text in told if text)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return str(list(value)) if isinstance(value, SEQUENCES) else str(value)


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).strip().split("\n")[0]


def _plain(annotation: Any) -> Any:
    return _plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation
