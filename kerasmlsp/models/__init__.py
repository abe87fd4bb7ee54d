"""The catalogue of model builders: functions that return an untrained, uncompiled `keras.Model`."""

from kerasmlsp.models.attention import (
    additive_attention_encoder_decoder,
    attention_lstm,
    multiplicative_attention_encoder_decoder,
    text_encoder_decoder,
)
from kerasmlsp.models.autoencoders import (
    autoencoder,
    convlstm_signal_autoencoder,
    denoising_autoencoder,
    lstm_autoencoder,
)
from kerasmlsp.models.autoregressive import conditional_wavenet, mixture_wavenet, pixelcnn, wavenet
from kerasmlsp.models.captioning import attention_captioner, image_captioner, transformer_captioner
from kerasmlsp.models.chorales import chorale_transformer, tonicnet
from kerasmlsp.models.convolutional import text_cnn
from kerasmlsp.models.dense import (
    alvinn,
    linear_regression,
    logistic_regression,
    multilayer_perceptron,
    perceptron,
    universal_approximator,
)
from kerasmlsp.models.detection import ssd
from kerasmlsp.models.efficientnet import efficientnet_lite0, efficientnet_lite0_features
from kerasmlsp.models.embeddings import cbow, skip_gram
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
    conditional_dcgan_discriminator,
    conditional_dcgan_generator,
    dcgan_discriminator,
    dcgan_generator,
)
from kerasmlsp.models.gestures import gesture_resnet, landmark_mlp, path_cnn, path_gru
from kerasmlsp.models.graphs import graph_lstm, graph_lstm_forecaster, graph_mlp_forecaster
from kerasmlsp.models.image_gans import conditional_dcgan, dcgan, wasserstein_gan
from kerasmlsp.models.images import alexnet, filter_bank, lenet5, small_alexnet
from kerasmlsp.models.language import (
    gpt,
    gpt1,
    gpt2,
    gru_language_model,
    lstm_language_model,
    simple_rnn_language_model,
)
from kerasmlsp.models.masked_prediction import (
    masked_language_model,
    masked_patch_predictor,
    vision_transformer,
    wav2vec,
)
from kerasmlsp.models.motion import deep_conv_lstm, motion_cnn, motion_dense, motion_tcn
from kerasmlsp.models.ngrams import naive_bayes_ngrams
from kerasmlsp.models.pix2pix import pix2pix, pix2pix_discriminator, pix2pix_generator
from kerasmlsp.models.pixels import gated_pixelcnn
from kerasmlsp.models.recurrent import bidirectional_classifier, lstm_classifier, recurrent_classifier, video_classifier
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
from kerasmlsp.models.self_supervised import (
    classifier_from,
    cluster_predictor,
    contrastive_model,
    rotation_predictor,
)
from kerasmlsp.models.sequences import bidirectional_tagger, one_to_many, recurrent_encoder_decoder, recurrent_tagger
from kerasmlsp.models.spatiotemporal import (
    convlstm_autoencoder,
    convlstm_classifier,
    convlstm_encoder_forecaster,
    convlstm_forecaster,
)
from kerasmlsp.models.speech import bc_resnet, speech_attention_lstm, speech_command_cnn, speech_resnet
from kerasmlsp.models.transformer import (
    learned_position_transformer,
    transformer_classifier,
    transformer_translator,
    windowed_transformer,
)

__all__ = [
    "additive_attention_encoder_decoder",
    "alexnet",
    "alvinn",
    "attention_captioner",
    "attention_lstm",
    "autoencoder",
    "bc_resnet",
    "bidirectional_classifier",
    "bidirectional_tagger",
    "calibrated_ensemble",
    "cbow",
    "chorale_transformer",
    "classifier_from",
    "cluster_predictor",
    "conditional_dcgan",
    "conditional_dcgan_discriminator",
    "conditional_dcgan_generator",
    "conditional_wavenet",
    "contrastive_model",
    "convlstm_autoencoder",
    "convlstm_classifier",
    "convlstm_encoder_forecaster",
    "convlstm_forecaster",
    "convlstm_signal_autoencoder",
    "dcgan",
    "dcgan_discriminator",
    "dcgan_generator",
    "deep_belief_network",
    "deep_conv_lstm",
    "denoising_autoencoder",
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
    "gated_pixelcnn",
    "gesture_resnet",
    "gpt",
    "gpt1",
    "gpt2",
    "graph_lstm",
    "graph_lstm_forecaster",
    "graph_mlp_forecaster",
    "gru_language_model",
    "hopfield_network",
    "image_captioner",
    "landmark_mlp",
    "learned_position_transformer",
    "lenet5",
    "linear_regression",
    "logistic_regression",
    "lstm_autoencoder",
    "lstm_classifier",
    "lstm_language_model",
    "masked_language_model",
    "masked_patch_predictor",
    "mixture_wavenet",
    "modern_hopfield_network",
    "motion_cnn",
    "motion_dense",
    "motion_tcn",
    "multilayer_perceptron",
    "multiplicative_attention_encoder_decoder",
    "naive_bayes_ngrams",
    "one_to_many",
    "path_cnn",
    "path_gru",
    "perceptron",
    "pix2pix",
    "pix2pix_discriminator",
    "pix2pix_generator",
    "pixelcnn",
    "plain18",
    "plain20",
    "plain34",
    "recurrent_classifier",
    "recurrent_encoder_decoder",
    "recurrent_tagger",
    "resnet18",
    "resnet20",
    "resnet20_weighted",
    "resnet34",
    "resnet50",
    "restricted_boltzmann_machine",
    "rotation_predictor",
    "segmentation_net",
    "simple_rnn_language_model",
    "skip_gram",
    "small_alexnet",
    "speech_attention_lstm",
    "speech_command_cnn",
    "speech_resnet",
    "ssd",
    "text_cnn",
    "text_encoder_decoder",
    "tonicnet",
    "transformer_captioner",
    "transformer_classifier",
    "transformer_translator",
    "universal_approximator",
    "video_classifier",
    "vision_transformer",
    "wasserstein_gan",
    "wav2vec",
    "wavenet",
    "windowed_transformer",
]
