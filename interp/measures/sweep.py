"""Declaration of all measures of the cells of a sweep."""

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
        methods: method that searches for the subspace of each cell, then the methods of the control subspaces.
        norms: names of the norms whose correlation with attributions is measured.
        models: models trained at each cell.

    Raises:
        ValueError: two columns get equal names from the names of methods, norms or kinds.
    """
    measures = [
        Measure(Key("directions"), "Directions that were found", COUNT),
        *iia(contrast, "IIA on held-out pairs, mean of both directions"),
        Measure(Key("preference"), "Preference accuracy of the model", SHARE, interval=True),
        *_model_measures(contrast, methods, norms),
        *word_counts(norms),
        Measure(Key("iia_val"), "IIA on validation pairs", SHARE),
        Measure(Key("iia_val_se"), "standard error of IIA on validation pairs", SHARE),
        Measure(Key("das_val_loss"), "loss of the search on val", NATS),
        Measure(Key("das_steps"), "steps of the search", COUNT),
        Measure(Key("test_pairs"), "pairs that are measured", COUNT),
        Measure(Key("seconds"), "time", Unit(1.0, ".1f")),
    ]
    trained = trained_schema(contrast, methods, norms)
    measures += [_trained(measure, model) for model in models for measure in trained]
    return Schema(contrast, tuple(measures))


def trained_schema(contrast: Contrast, methods: Sequence[MethodName], norms: Sequence[str]) -> Schema:
    """Declare the measures of a model trained at a cell, under keys without a model.

    Args:
        contrast, methods, norms: as in `sweep_schema`.

    Raises:
        ValueError: two columns get equal names from the names of methods, norms or kinds.
    """
    return Schema(contrast, (*_training_measures(contrast), *_model_measures(contrast, methods, norms)))


def _model_measures(contrast: Contrast, methods: Sequence[MethodName], norms: Sequence[str]) -> list[Measure]:
    """Declare the measures of frozen and of trained models."""
    return [
        *controls(methods[1:], contrast),
        *shifts(contrast),
        *evidence(contrast),
        *attributions(contrast, norms),
    ]


def _training_measures(contrast: Contrast) -> list[Measure]:
    """Declare the measures that frozen models lack, or that have another title for trained models."""
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
    """Return a measure with the key and the title of a trained model."""
    title = measure.title
    lower = title if title[:2].isupper() else title[0].lower() + title[1:]
    return replace(measure, key=replace(measure.key, model=model), title=f"{_TITLES[model]}: {lower}")
