"""The options that commands share, made of the fields of configurations, and what is checked before heavy imports.

Nothing heavy is imported here: every `--help` passes through this folder.
"""

from kerasmlsp.apps.options.answering import (
    find_model,
    label_files,
    label_options,
    load_imagenet,
    load_model,
    model_options,
    sources_argument,
)
from kerasmlsp.apps.options.checks import (
    LARGEST_SEED,
    check_data,
    check_sources,
    check_table,
    check_targets,
    check_text,
    given,
    refuse,
    refuse_ending,
    seeds,
)
from kerasmlsp.apps.options.exporting import export, export_options
from kerasmlsp.apps.options.fields import PICTURES, Encoding, FiniteRange, Folder, Target, settings, together
from kerasmlsp.apps.options.runs import configuration, started
from kerasmlsp.apps.options.shared import (
    data_note_option,
    json_option,
    licence_option,
    overwrite_option,
    plain_name,
    reject_option,
    resume_option,
    run_option,
    sampling_options,
    seed_option,
    target_option,
    top_k_option,
    top_p_option,
)
from kerasmlsp.apps.options.training import Mesh, mesh_option, start, train, train_options
from kerasmlsp.files import existing

__all__ = [
    "LARGEST_SEED",
    "PICTURES",
    "Encoding",
    "FiniteRange",
    "Folder",
    "Mesh",
    "Target",
    "check_data",
    "check_sources",
    "check_table",
    "check_targets",
    "check_text",
    "configuration",
    "data_note_option",
    "existing",
    "export",
    "export_options",
    "find_model",
    "given",
    "json_option",
    "label_files",
    "label_options",
    "licence_option",
    "load_imagenet",
    "load_model",
    "mesh_option",
    "model_options",
    "overwrite_option",
    "plain_name",
    "refuse",
    "refuse_ending",
    "reject_option",
    "resume_option",
    "run_option",
    "sampling_options",
    "seed_option",
    "seeds",
    "settings",
    "sources_argument",
    "start",
    "started",
    "target_option",
    "together",
    "top_k_option",
    "top_p_option",
    "train",
    "train_options",
]
