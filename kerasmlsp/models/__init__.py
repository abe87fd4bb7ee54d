"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import attention_lstm
from kerasmlsp.models.autoencoders import autoencoder, denoising_autoencoder
from kerasmlsp.models.autoregressive import conditional_wavenet, mixture_wavenet, pixelcnn, wavenet
from kerasmlsp.models.chorales import chorale_transformer, tonicnet
from kerasmlsp.models.convolutional import text_cnn
from kerasmlsp.models.energy import (
    deep_belief_network,
    hopfield_network,
    modern_hopfield_network,
    restricted_boltzmann_machine,
)
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
from kerasmlsp.models.generative import (
    conditional_dcgan,
    conditional_dcgan_discriminator,
    conditional_dcgan_generator,
    dcgan,
    dcgan_discriminator,
    dcgan_generator,
    wasserstein_gan,
)
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
    "autoencoder",
    "calibrated_ensemble",
    "chorale_transformer",
    "conditional_dcgan",
    "conditional_dcgan_discriminator",
    "conditional_dcgan_generator",
    "conditional_wavenet",
    "dcgan",
    "dcgan_discriminator",
    "dcgan_generator",
    "deep_belief_network",
    "denoising_autoencoder",
    "frame_gru",
    "frame_lstm",
    "frame_recall_lstm",
    "frame_recall_transformer",
    "frame_rnn",
    "frame_tcn",
    "frame_transformer",
    "gpt",
    "gru_language_model",
    "hopfield_network",
    "lstm_classifier",
    "lstm_language_model",
    "mixture_wavenet",
    "modern_hopfield_network",
    "naive_bayes_ngrams",
    "pixelcnn",
    "restricted_boltzmann_machine",
    "simple_rnn_language_model",
    "text_cnn",
    "tonicnet",
    "transformer_classifier",
    "wasserstein_gan",
    "wavenet",
]
