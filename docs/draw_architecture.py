"""Draws docs/images/architecture.svg from the import contracts of pyproject.toml: `make docs`.

A row of boxes is a layer; a box may import what is in the rows below it, and nothing beside or above it.
"""

from __future__ import annotations

import sys
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH, PADDING, ROW, GAP, TITLE = 1080, 14, 30, 8, 24
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .package { fill: #f6f8fa; stroke: #8c959f }
  .box { fill: #ffffff; stroke: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .package { fill: #161b22; stroke: #6e7681 } .box { fill: #0d1117; stroke: #6e7681 }
  }
"""
Layers = dict[str, list[list[str]]]


def read_layers(pyproject: Path = ROOT / "pyproject.toml") -> Layers:
    """The layers of each package that a contract orders, from the top down, by the package's name."""
    contracts = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    return {
        container: [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
        for contract in contracts
        for container in contract.get("containers", ())
    }


def draw(layers: Layers) -> str:
    """The picture as SVG: `flows` above `tasks`, and the packages whose insides are ordered drawn with them."""
    parts: list[str] = []
    y = PADDING
    for package in ("flows", "tasks"):
        y += _draw_package(package, layers, (PADDING, y, WIDTH - 2 * PADDING), parts) + GAP
    height = y + PADDING - GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    title = "<title>The packages; each may import what lies below it</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _draw_package(package: str, layers: Layers, place: tuple[int, int, int], parts: list[str]) -> int:
    """Adds a package at `(x, y, width)` and gives its height."""
    x, y, width = place
    at = len(parts)
    inner = y + TITLE
    for layer in layers[package]:
        inner += _draw_layer(package, layer, layers, (x + PADDING, inner, width - 2 * PADDING), parts) + GAP
    height = inner - y + PADDING - GAP
    parts.insert(at, _rectangle("package", x, y, width, height))
    parts.insert(
        at + 1, f'<text class="title" x="{x + PADDING}" y="{y + 17}">{escape(package.replace(".", "/"))}</text>'
    )
    return height


def _draw_layer(package: str, names: list[str], layers: Layers, place: tuple[int, int, int], parts: list[str]) -> int:
    x, y, width = place
    if f"{package}.{names[0]}" in layers:
        return _draw_package(f"{package}.{names[0]}", layers, place, parts)
    per_row = min(len(names), 6)
    box = (width - GAP * (per_row - 1)) // per_row
    for i, name in enumerate(names):
        left, top = x + i % per_row * (box + GAP), y + i // per_row * (ROW + GAP)
        parts.append(_rectangle("box", left, top, box, ROW))
        parts.append(f'<text x="{left + box // 2}" y="{top + 20}" text-anchor="middle">{escape(name)}</text>')
    n_rows = -(-len(names) // per_row)
    return n_rows * (ROW + GAP) - GAP


def _rectangle(kind: str, x: int, y: int, width: int, height: int) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>'


if __name__ == "__main__":
    sys.stdout.write(draw(read_layers()))
