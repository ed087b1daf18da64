# SPDX-License-Identifier: Apache-2.0
"""An encoder whose frozen weights differ from process to process, as files on two machines may."""

import os

import my_frozen_encoder
from my_frozen_encoder import MyFrozenEncoder

my_frozen_encoder.SEED = os.getpid()


class EncoderOfAProcess(MyFrozenEncoder):
    pass
