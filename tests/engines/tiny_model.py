"""Makes a language model of random weights, small enough to be made on the spot: `python tiny_model.py FOLDER`.

It runs in the engines' own environment. What it says means nothing; it says it greedily, always the same, and never
ends by itself, so that only a limit, a stop string or a caller who hangs up ends an answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

# Printable ASCII and nothing else, so that no token is a part of a character.
_LETTERS = [chr(code) for code in range(33, 127)] + ["\u0120"]  # how byte-level BPE writes a space
_TEXT = """
The footbridge crosses the river and leads to the village. A bridge is wider, a footbridge is kinder to look at.
Une entreprise forme des clients, le formateur lit les questions, la passerelle porte les mots et rien de plus.
"""
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on a few sentences, with ChatML around messages."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=256,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=_LETTERS,
        show_progress=False,
    )
    bpe.train_from_iterator(_TEXT.splitlines(), trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|im_end|>")
    made.chat_template = _CHAT
    return made


def model(vocabulary: int) -> LlamaForCausalLM:
    """Two layers of random weights, spread wide enough that the model does not repeat one token."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        initializer_range=0.4,
        eos_token_id=None,
        bos_token_id=None,
    )
    made = LlamaForCausalLM(config)
    made.generation_config = GenerationConfig(do_sample=False, eos_token_id=None, pad_token_id=0)
    return made


def make(folder: Path) -> None:
    """Write the model and its tokenizer to a folder."""
    words = tokenizer()
    words.save_pretrained(folder)
    model(len(words)).save_pretrained(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
