"""What a trained network looks at, what its layers hold, and how it is fooled."""

from kerasmlsp.interpret.adversarial import deepfool, fgsm, pgd
from kerasmlsp.interpret.attributions import integrated_gradients, saliency, smooth_saliency, strength
from kerasmlsp.interpret.cam import grad_cam
from kerasmlsp.interpret.hardening import harden
from kerasmlsp.interpret.inverting import maximise, project, reconstruct
from kerasmlsp.interpret.judging import edges, insertion_deletion, sanity_check
from kerasmlsp.interpret.maps import Field, effective_field, feature_maps, filters, layers, receptive_field
from kerasmlsp.interpret.outcomes import Outcome, outcome, success_rates
from kerasmlsp.interpret.sensitivity import error_sensitivity, pruned, pruning_curves

__all__ = [
    "Field",
    "Outcome",
    "deepfool",
    "edges",
    "effective_field",
    "error_sensitivity",
    "feature_maps",
    "fgsm",
    "filters",
    "grad_cam",
    "harden",
    "insertion_deletion",
    "integrated_gradients",
    "layers",
    "maximise",
    "outcome",
    "pgd",
    "project",
    "pruned",
    "pruning_curves",
    "receptive_field",
    "reconstruct",
    "saliency",
    "sanity_check",
    "smooth_saliency",
    "strength",
    "success_rates",
]
