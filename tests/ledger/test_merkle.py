from __future__ import annotations

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from tests.ledger.builders import direct_root

from reticent.errors import EvidenceBroken
from reticent.ledger.merkle import (
    EMPTY_ROOT,
    HASH,
    WIDTH,
    Tree,
    is_consistent,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    root_of,
)
from reticent.ledger.tiles import Frontier

# The eight leaves and roots of Certificate Transparency's own tests of RFC 6962.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Memory:
    """Tiles of a growing tree kept in memory."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.frontier = Frontier(0, self.read)
        for leaf in leaves:
            for tile in self.frontier.add(leaf):
                self.tiles[tile.level, tile.index] = tile.hashes
        for tile in self.frontier.edge():
            self.tiles[tile.level, tile.index] = tile.hashes

    def read(self, level: int, index: int) -> bytes:
        return self.tiles[level, index]


def numbered(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


BIG = numbered(3000)
BIG_TREE = Tree(Memory([leaf_hash(leaf) for leaf in BIG]).read)


@pytest.mark.parametrize("size", range(9))
def test_certificate_transparency_roots(size: int) -> None:
    leaves = CT_LEAVES[:size]
    tree = Tree(Memory([leaf_hash(leaf) for leaf in leaves]).read)
    assert tree.root(size).hex() == CT_ROOTS[size] == direct_root(leaves).hex()


def test_rfc_6962_section_2_1_3_worked_example() -> None:
    """Seven leaves; the RFC names the nodes a..l of the final tree and hash0..hash2 on the way."""
    d = numbered(7)
    a, b, c, d_, e, f, j = (leaf_hash(leaf) for leaf in d)
    g, h, i = node_hash(a, b), node_hash(c, d_), node_hash(e, f)
    k, l_ = node_hash(g, h), node_hash(i, j)
    tree = Tree(Memory([leaf_hash(leaf) for leaf in d]).read)
    assert tree.root(7) == node_hash(k, l_)
    assert tree.inclusion(0, 7) == [b, h, l_]
    assert tree.inclusion(3, 7) == [c, g, l_]
    assert tree.inclusion(4, 7) == [f, j, k]
    assert tree.inclusion(6, 7) == [i, k]
    assert tree.consistency(3, 7) == [c, d_, g, l_]
    assert tree.consistency(4, 7) == [l_]
    assert tree.consistency(6, 7) == [i, j, k]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537])
def test_roots_at_the_edges_of_tiles(size: int) -> None:
    leaves = numbered(size)
    memory = Memory([leaf_hash(leaf) for leaf in leaves])
    assert Tree(memory.read).root(size) == memory.frontier.root() == direct_root(leaves)


def test_pymerkle_gives_the_same_roots_and_the_same_proof_hashes() -> None:
    oracle = InmemoryTree.init_from_entries(BIG[:600], algorithm="sha256")
    for size in (1, 2, 3, 255, 256, 257, 400, 511, 512, 513, 600):
        assert BIG_TREE.root(size) == oracle.get_root(size)
        for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
            theirs = Counter(oracle.prove_inclusion(index + 1, size).path)
            assert Counter(BIG_TREE.inclusion(index, size)) == theirs - Counter([leaf_hash(BIG[index])])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_every_inclusion_proof_leads_to_the_root_and_no_other_leaf_does(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(BIG)))
    index = data.draw(st.integers(0, size - 1))
    proof, root = BIG_TREE.inclusion(index, size), BIG_TREE.root(size)
    assert root_from_inclusion(leaf_hash(BIG[index]), index, size, proof) == root
    assert len(proof) <= size.bit_length()
    assert root_from_inclusion(leaf_hash(b"another"), index, size, proof) != root
    other = data.draw(st.integers(0, size).filter(lambda number: number != index))
    assert root_from_inclusion(leaf_hash(BIG[index]), other, size, proof) != root


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_every_consistency_proof_verifies(data: st.DataObject) -> None:
    new = data.draw(st.integers(0, len(BIG)))
    old = data.draw(st.integers(0, new))
    proof = BIG_TREE.consistency(old, new)
    assert is_consistent(old, new, BIG_TREE.root(old), BIG_TREE.root(new), proof)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_proof_does_not_serve_for_a_deeper_tree(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, len(BIG)))
    old = data.draw(st.integers(1, new - 1))
    deeper = data.draw(st.integers((1 << (new - 1).bit_length()) + 1, 10**6))
    proof = BIG_TREE.consistency(old, new)
    assert not is_consistent(old, deeper, BIG_TREE.root(old), BIG_TREE.root(new), proof)
    path = BIG_TREE.inclusion(old, new)
    assert root_from_inclusion(leaf_hash(BIG[old]), old, deeper, path) != BIG_TREE.root(new)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_forked_history_is_consistent(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 600))
    old = data.draw(st.integers(1, new))
    changed = data.draw(st.integers(0, old - 1))
    forked = [*BIG[:changed], b"changed", *BIG[changed + 1 : new]]
    tree = Tree(Memory([leaf_hash(leaf) for leaf in forked]).read)
    for proof in (tree.consistency(old, new), BIG_TREE.consistency(old, new)):
        assert not is_consistent(old, new, BIG_TREE.root(old), tree.root(new), proof)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_proof_never_verifies(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, len(BIG)))
    old = data.draw(st.integers(1, new - 1))
    proof = BIG_TREE.consistency(old, new)
    damage = data.draw(st.sampled_from(["drop", "add", "flip", "swap"]))
    at = data.draw(st.integers(0, len(proof) - 1))
    bad = list(proof)
    if damage == "drop":
        del bad[at]
    elif damage == "add":
        bad.insert(at, sha256(b"x").digest())
    elif damage == "flip":
        bad[at] = bytes([bad[at][0] ^ 1]) + bad[at][1:]
    else:
        bad[at], bad[0] = bad[0], bad[at]
    verdict = is_consistent(old, new, BIG_TREE.root(old), BIG_TREE.root(new), bad)
    assert verdict == (bad == proof)


@given(
    st.integers(-3, 2**64),
    st.integers(-3, 2**64),
    st.lists(st.binary(max_size=40), max_size=70),
    st.binary(max_size=40),
    st.binary(max_size=40),
)
def test_verifiers_never_fail_on_nonsense(
    one: int, two: int, proof: list[bytes], old_root: bytes, new_root: bytes
) -> None:
    if root_from_inclusion(old_root, one, two, proof) == new_root:
        assert (two, proof, old_root) == (1, [], new_root)
    if is_consistent(one, two, old_root, new_root, proof):
        assert proof == []
        assert old_root == new_root if one else old_root == EMPTY_ROOT


def test_the_empty_tree_is_a_beginning_of_every_tree_but_only_with_its_own_root() -> None:
    assert is_consistent(0, 5, EMPTY_ROOT, BIG_TREE.root(5), [])
    assert not is_consistent(0, 5, bytes(32), BIG_TREE.root(5), [])
    assert not is_consistent(0, 5, EMPTY_ROOT, BIG_TREE.root(5), [bytes(32)])
    assert not is_consistent(5, 5, BIG_TREE.root(5), bytes(32), [])
    assert not is_consistent(6, 5, BIG_TREE.root(6), BIG_TREE.root(5), [])


def test_lost_hashes_are_broken_evidence_and_not_a_wrong_root() -> None:
    whole = Memory([leaf_hash(leaf) for leaf in numbered(300)])
    short = {place: hashes[:-HASH] for place, hashes in whole.tiles.items()}
    with pytest.raises(EvidenceBroken):
        Tree(lambda level, index: short[level, index]).root(300)


@given(st.lists(st.integers(1, 700), max_size=6))
@settings(max_examples=40, deadline=None)
def test_growing_in_any_steps_gives_the_same_tree(steps: list[int]) -> None:
    total = sum(steps)
    leaves = [leaf_hash(leaf) for leaf in numbered(total)]
    tiles: dict[tuple[int, int], bytes] = {}
    done = 0
    for step in steps:
        frontier = Frontier(done, lambda level, index: tiles[level, index])
        for leaf in leaves[done : done + step]:
            tiles.update({(tile.level, tile.index): tile.hashes for tile in frontier.add(leaf)})
        tiles.update({(tile.level, tile.index): tile.hashes for tile in frontier.edge(touched=True)})
        done += step
    assert tiles == Memory(leaves).tiles
    assert Tree(lambda level, index: tiles[level, index]).root(total) == root_of(leaves)


def test_tile_holds_256_hashes() -> None:
    memory = Memory([leaf_hash(leaf) for leaf in numbered(257)])
    assert {place: len(hashes) // HASH for place, hashes in memory.tiles.items()} == {
        (0, 0): WIDTH,
        (0, 1): 1,
        (1, 0): 1,
    }
