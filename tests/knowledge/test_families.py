"""Every model family exports with open rows, is read without trusting the file, and runs to the same bits."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.utils import _pytree as pytree

from knowledge.exporting import export, save
from knowledge.exporting.ladder import Step
from knowledge.exporting.proof import answer, difference
from knowledge.pt2 import read_program
from tests.models.families import FAMILIES, Family
from tools.program.graph import Program
from tools.program.interpreter import Interpreter

SPECIALISED_SILENTLY = {"FT-Transformer", "TabNet"}
"""`len(tensor)` in their code fixes the rows where torch.export traces with Python, and not where it reads bytecode."""


def model_of(family: Family) -> nn.Module:
    """Random weights and, unlike a fresh model's, buffers that are not all zeros and ones."""
    torch.manual_seed(0)
    module = family.make()
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.add_(torch.rand(buffer.shape) * 0.1)
    return module


def expect_equal(expected: list[Any], actual: dict[str, Tensor], program: Program) -> None:
    """To the bit, NaN for NaN."""
    assert len(set(program.outputs)) == len(expected)
    for name, one in zip(program.outputs, expected, strict=True):
        assert one.dtype == actual[name].dtype
        torch.testing.assert_close(actual[name], one, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_exported_read_and_run(name: str, tmp_path: Path) -> None:
    family, generator = FAMILIES[name], Generator().manual_seed(1)
    module = model_of(family)
    exported = export(module, family.batch(6, generator), family.batch(9, generator))
    expected: Step = "strict=True" if name in SPECIALISED_SILENTLY else "strict=False"
    assert exported.step == expected

    save(exported, tmp_path / "m.pt2", "family", [])
    program = read_program(tmp_path / "m.pt2")
    assert len(program.notes) >= len(exported.notes)
    # A parameter that requires gradients makes torch's matmul take another kernel on views, also under no_grad.
    interpreter, runs = Interpreter(program), exported.program.module().requires_grad_(False)
    for rows in (5, 33):
        batch = family.batch(rows, generator)
        inputs = [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
        expect_equal(answer(runs, batch), interpreter.run(inputs), program)

    # torch.export takes one row for a special size; the graph must hold for it all the same.
    batch = family.batch(1, generator)
    alone = interpreter.run([leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)])
    assert difference(answer(module.eval(), batch), [alone[output] for output in program.outputs]) is None


@pytest.fixture(scope="module")
def ids() -> list[Tensor]:
    generator = Generator().manual_seed(3)
    return [torch.randint(0, 50, (rows, 7), generator=generator) for rows in (4, 6, 17)]


def language_models() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers", reason="the dev extra brings transformers")
    bert = transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    gpt = transformers.GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32, use_cache=False)
    return {
        "BERT": lambda: transformers.BertForSequenceClassification(bert),
        "GPT-2": lambda: transformers.GPT2LMHeadModel(gpt),
    }


@pytest.mark.parametrize("name", ["BERT", "GPT-2"])
def test_a_language_model_is_exported_read_and_run(name: str, ids: list[Tensor], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = language_models()[name]()
    inputs, other, third = ({"input_ids": rows, "attention_mask": (rows > 5).long()} for rows in ids)
    exported = export(module, inputs, other)
    save(exported, tmp_path / "m.pt2", name, [])
    program = read_program(tmp_path / "m.pt2")
    actual = Interpreter(program).run([third["input_ids"], third["attention_mask"]])
    expect_equal(answer(exported.program.module(), third), actual, program)
    assert any(node.module and node.module.endswith(("attention.self", "attn")) for node in program.nodes)
