"""What a trained network looks at."""

from kerasmlsp.interpret.cam import grad_cam

__all__ = ["grad_cam"]
