"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import (
    additive_attention_encoder_decoder,
    attention_lstm,
    multiplicative_attention_encoder_decoder,
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
    gpt1,
    gru_language_model,
    lstm_language_model,
    simple_rnn_language_model,
)
from kerasmlsp.models.ngrams import naive_bayes_ngrams
from kerasmlsp.models.recurrent import (
    bidirectional_classifier,
    lstm_classifier,
    recurrent_classifier,
    video_classifier,
)
from kerasmlsp.models.sequences import bidirectional_tagger, one_to_many, recurrent_encoder_decoder, recurrent_tagger
from kerasmlsp.models.spatiotemporal import convlstm_autoencoder, convlstm_classifier, convlstm_forecaster, graph_lstm
from kerasmlsp.models.transformer import (
    learned_position_transformer,
    transformer_classifier,
    transformer_translator,
    windowed_transformer,
)

__all__ = [
    "additive_attention_encoder_decoder",
    "attention_captioner",
    "attention_lstm",
    "bidirectional_classifier",
    "bidirectional_tagger",
    "calibrated_ensemble",
    "chorale_transformer",
    "convlstm_autoencoder",
    "convlstm_classifier",
    "convlstm_forecaster",
    "frame_gru",
    "frame_lstm",
    "frame_recall_lstm",
    "frame_recall_transformer",
    "frame_rnn",
    "frame_tcn",
    "frame_transformer",
    "gpt",
    "gpt1",
    "graph_lstm",
    "gru_language_model",
    "image_captioner",
    "learned_position_transformer",
    "lstm_classifier",
    "lstm_language_model",
    "multiplicative_attention_encoder_decoder",
    "naive_bayes_ngrams",
    "one_to_many",
    "recurrent_classifier",
    "recurrent_encoder_decoder",
    "recurrent_tagger",
    "simple_rnn_language_model",
    "text_cnn",
    "tonicnet",
    "transformer_captioner",
    "transformer_classifier",
    "transformer_translator",
    "video_classifier",
    "windowed_transformer",
]
