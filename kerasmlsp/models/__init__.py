"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import attention_lstm
from kerasmlsp.models.chorales import chorale_transformer, tonicnet
from kerasmlsp.models.convolutional import text_cnn
from kerasmlsp.models.detection import ssd
from kerasmlsp.models.efficientnet import efficientnet_lite0, efficientnet_lite0_features
from kerasmlsp.models.ensembles import calibrated_ensemble
from kerasmlsp.models.frames import (
    frame_gru,
    frame_lstm,
    frame_recall_lstm,
    frame_recall_transformer,
    frame_rnn,
    frame_tcn,
    frame_transformer,
)
from kerasmlsp.models.gestures import gesture_resnet, landmark_mlp, path_cnn, path_gru
from kerasmlsp.models.images import alexnet, filter_bank, lenet5, small_alexnet
from kerasmlsp.models.language import (
    gpt,
    gru_language_model,
    lstm_language_model,
    simple_rnn_language_model,
)
from kerasmlsp.models.ngrams import naive_bayes_ngrams
from kerasmlsp.models.recurrent import lstm_classifier
from kerasmlsp.models.residual import (
    plain18,
    plain20,
    plain34,
    resnet18,
    resnet20,
    resnet20_weighted,
    resnet34,
    resnet50,
)
from kerasmlsp.models.segmentation import fcn_8s, fcn_16s, fcn_32s, segmentation_net
from kerasmlsp.models.transformer import transformer_classifier

__all__ = [
    "alexnet",
    "attention_lstm",
    "calibrated_ensemble",
    "chorale_transformer",
    "efficientnet_lite0",
    "efficientnet_lite0_features",
    "fcn_8s",
    "fcn_16s",
    "fcn_32s",
    "filter_bank",
    "frame_gru",
    "frame_lstm",
    "frame_recall_lstm",
    "frame_recall_transformer",
    "frame_rnn",
    "frame_tcn",
    "frame_transformer",
    "gesture_resnet",
    "gpt",
    "gru_language_model",
    "landmark_mlp",
    "lenet5",
    "lstm_classifier",
    "lstm_language_model",
    "naive_bayes_ngrams",
    "path_cnn",
    "path_gru",
    "plain18",
    "plain20",
    "plain34",
    "resnet18",
    "resnet20",
    "resnet20_weighted",
    "resnet34",
    "resnet50",
    "segmentation_net",
    "simple_rnn_language_model",
    "small_alexnet",
    "ssd",
    "text_cnn",
    "tonicnet",
    "transformer_classifier",
]
