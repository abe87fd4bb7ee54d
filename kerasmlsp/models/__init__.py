"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import attention_lstm
from kerasmlsp.models.chorales import chorale_transformer, tonicnet
from kerasmlsp.models.convolutional import text_cnn
from kerasmlsp.models.embeddings import cbow, skip_gram
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
from kerasmlsp.models.recurrent import lstm_classifier
from kerasmlsp.models.self_supervised import (
    classifier_from,
    cluster_predictor,
    contrastive_model,
    masked_language_model,
    masked_patch_predictor,
    rotation_predictor,
    vision_transformer,
    wav2vec,
)
from kerasmlsp.models.transformer import transformer_classifier

__all__ = [
    "attention_lstm",
    "calibrated_ensemble",
    "cbow",
    "chorale_transformer",
    "classifier_from",
    "cluster_predictor",
    "contrastive_model",
    "frame_gru",
    "frame_lstm",
    "frame_recall_lstm",
    "frame_recall_transformer",
    "frame_rnn",
    "frame_tcn",
    "frame_transformer",
    "gpt",
    "gru_language_model",
    "lstm_classifier",
    "lstm_language_model",
    "masked_language_model",
    "masked_patch_predictor",
    "naive_bayes_ngrams",
    "rotation_predictor",
    "simple_rnn_language_model",
    "skip_gram",
    "text_cnn",
    "tonicnet",
    "transformer_classifier",
    "vision_transformer",
    "wav2vec",
]
