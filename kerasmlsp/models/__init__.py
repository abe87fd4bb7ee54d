"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import (
    attention_lstm,
)
from kerasmlsp.models.captioning import attention_captioner, image_captioner, transformer_captioner
from kerasmlsp.models.chorales import chorale_transformer, tonicnet
from kerasmlsp.models.convolutional import text_cnn
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
from kerasmlsp.models.language import (
    gpt,
    gru_language_model,
    lstm_language_model,
    simple_rnn_language_model,
)
from kerasmlsp.models.ngrams import naive_bayes_ngrams
from kerasmlsp.models.recurrent import (
    lstm_classifier,
)
from kerasmlsp.models.transformer import (
    transformer_classifier,
)

__all__ = [
    "attention_captioner",
    "attention_lstm",
    "calibrated_ensemble",
    "chorale_transformer",
    "frame_gru",
    "frame_lstm",
    "frame_recall_lstm",
    "frame_recall_transformer",
    "frame_rnn",
    "frame_tcn",
    "frame_transformer",
    "gpt",
    "gru_language_model",
    "image_captioner",
    "lstm_classifier",
    "lstm_language_model",
    "naive_bayes_ngrams",
    "simple_rnn_language_model",
    "text_cnn",
    "tonicnet",
    "transformer_captioner",
    "transformer_classifier",
]
