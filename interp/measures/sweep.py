"""All measures of the cells of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from interp.data.contrast import Contrast
from interp.measures.attributions import attributions, word_counts
from interp.measures.interventions import controls, evidence, iia, shifts
from interp.measures.names import MethodName
from interp.measures.number import Key, Model
from interp.measures.schema import COUNT, LOST, NATS, SHARE, Measure, Schema, Unit

_TITLES = {"tuned": "Trained", "edited": "Edited"}


def sweep_schema(
    contrast: Contrast,
    methods: Sequence[MethodName],
    norms: Sequence[str],
    *,
    models: Sequence[Model] = (),
) -> Schema:
    """Declare the measures of the cells of a sweep.

    Args:
        contrast: the two kinds of text.
        methods: the first method has found each cell's subspace; the others give the subspaces that it is compared
            with.
        norms: names of the norms that attributions are correlated with.
        models: models that were trained at each cell.

    Raises:
        ValueError: names of methods, norms or kinds give two columns the same name.
    """
    known = [
        Measure(Key("directions"), "Directions that were found", COUNT),
        *iia(contrast, "IIA on held-out pairs, mean of both directions"),
        Measure(Key("preference"), "Preference accuracy of the model", SHARE, interval=True),
        *_of_model(contrast, methods, norms),
        *word_counts(norms),
        Measure(Key("iia_val"), "IIA on validation pairs", SHARE),
        Measure(Key("iia_val_se"), "standard error of IIA on validation pairs", SHARE),
        Measure(Key("das_val_loss"), "loss of the search on val", NATS),
        Measure(Key("das_steps"), "steps of the search", COUNT),
        Measure(Key("test_pairs"), "pairs that are measured", COUNT),
        Measure(Key("seconds"), "time", Unit(1.0, ".1f")),
    ]
    trained = trained_schema(contrast, methods, norms)
    known += [_trained(measure, model) for model in models for measure in trained]
    return Schema(contrast, tuple(known))


def trained_schema(contrast: Contrast, methods: Sequence[MethodName], norms: Sequence[str]) -> Schema:
    """Declare the measures of a model that was trained at a cell, under keys without a model.

    Args:
        contrast, methods, norms: see `sweep_schema`.

    Raises:
        ValueError: names of methods, norms or kinds give two columns the same name.
    """
    return Schema(contrast, (*_tuned(contrast), *_of_model(contrast, methods, norms)))


def _of_model(contrast: Contrast, methods: Sequence[MethodName], norms: Sequence[str]) -> list[Measure]:
    """Declare the measures of frozen and of trained models."""
    return [
        *controls(methods[1:], contrast),
        *shifts(contrast),
        *evidence(contrast),
        *attributions(contrast, norms),
    ]


def _tuned(contrast: Contrast) -> list[Measure]:
    """Declare the measures of trained models alone, or with another title for trained models."""
    return [
        Measure(Key("preference"), "preference accuracy", SHARE, interval=True),
        *iia(contrast, "IIA, mean of both directions"),
        Measure(Key("transfer_drop"), "zero-shot accuracy lost against the base", LOST, interval=True),
        Measure(Key("retrieval_drop"), "retrieval lost against the base", LOST, interval=True),
        Measure(Key("preference_val"), "preference accuracy on validation pairs", SHARE),
        Measure(Key("preference_val_se"), "standard error of preference accuracy on validation pairs", SHARE),
        Measure(Key("retrieval_rise_val"), "rise of the cross-entropy of retrieval on validation pairs", NATS),
        Measure(Key("val_loss"), "loss on val", NATS),
        Measure(Key("seconds"), "time of the training", Unit(1.0, ".1f")),
    ]


def _trained(measure: Measure, model: Model) -> Measure:
    """Return a measure of a model as the measure of a trained model."""
    title = measure.title
    lower = title if title[:2].isupper() else title[0].lower() + title[1:]
    return replace(measure, key=replace(measure.key, model=model), title=f"{_TITLES[model]}: {lower}")
