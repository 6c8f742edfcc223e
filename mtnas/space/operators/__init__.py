"""Operators to put into blocks: each function makes a factory from the shape that enters to a module.

Those on images keep the same promise, so that any of them may stand beside any other in a block: kernels are odd and
padded to 'same', and a stride s turns a side of H into ceil(H / s), whatever the kernel.
"""

from mtnas.space.operators.attention import SelfAttention
from mtnas.space.operators.blocks import conv_blocks, half_and_full
from mtnas.space.operators.conv import Conv, conv
from mtnas.space.operators.dense import Dense, DenseResidual, dense, dense_residual, dense_skip
from mtnas.space.operators.embedding import JoinColumns, join_columns
from mtnas.space.operators.encoder import Encoder, encoder, token_skip
from mtnas.space.operators.entries import FromEntry, OnEntry, from_entry, on_entry
from mtnas.space.operators.inverted import InvertedResidual, inverted_residual
from mtnas.space.operators.patches import PatchEmbedding, patch_embedding
from mtnas.space.operators.repeated import repeated
from mtnas.space.operators.residual import ResidualConv, residual_conv
from mtnas.space.operators.separable import SeparableConv, separable_conv
from mtnas.space.operators.skip import Project, skip
from mtnas.space.operators.token_head import TokenMean, token_head

__all__ = [
    "Conv",
    "Dense",
    "DenseResidual",
    "Encoder",
    "FromEntry",
    "InvertedResidual",
    "JoinColumns",
    "OnEntry",
    "PatchEmbedding",
    "Project",
    "ResidualConv",
    "SelfAttention",
    "SeparableConv",
    "TokenMean",
    "conv",
    "conv_blocks",
    "dense",
    "dense_residual",
    "dense_skip",
    "encoder",
    "from_entry",
    "half_and_full",
    "inverted_residual",
    "join_columns",
    "on_entry",
    "patch_embedding",
    "repeated",
    "residual_conv",
    "separable_conv",
    "skip",
    "token_head",
    "token_skip",
]
