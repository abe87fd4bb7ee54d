"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import attention_lstm
from kerasmlsp.models.convolutional import text_cnn
from kerasmlsp.models.ensembles import calibrated_ensemble
from kerasmlsp.models.language import (
    gpt,
    gru_language_model,
    lstm_language_model,
    simple_rnn_language_model,
)
from kerasmlsp.models.ngrams import naive_bayes_ngrams
from kerasmlsp.models.recurrent import lstm_classifier
from kerasmlsp.models.transformer import transformer_classifier

__all__ = [
    "attention_lstm",
    "calibrated_ensemble",
    "gpt",
    "gru_language_model",
    "lstm_classifier",
    "lstm_language_model",
    "naive_bayes_ngrams",
    "simple_rnn_language_model",
    "text_cnn",
    "transformer_classifier",
]
