# SPDX-License-Identifier: Apache-2.0
"""The look of pages and figures: a printed page with a light background. Free of other imports of the doctor."""

from __future__ import annotations

from string import Template

INK, GRID = "#222222", "#e6e6e6"
# Okabe and Ito's palette, which readers with any colour vision can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
FONT = {"family": "Charter, 'Bitstream Charter', Georgia, 'Times New Roman', serif", "size": 13, "color": INK}
STYLE = """
:root { --ink: #222; --rule: #222; --soft: #666; --paper: #fff; }
html { background: var(--paper); }
body { font: 16px/1.5 Charter, 'Bitstream Charter', Georgia, 'Times New Roman', serif; color: var(--ink);
  max-width: 60rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; font-weight: 600; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; font-weight: 600; margin: 2.6rem 0 .6rem; }
h3 { font-size: 1.05rem; font-weight: 600; font-style: italic; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; } .meta, figcaption, .note { color: var(--soft); font-size: .9rem; }
.banner { border-left: .5rem solid; padding: .8rem 1.2rem; margin: 1.4rem 0; background: #fafafa; }
.banner strong { font-size: 1.9rem; letter-spacing: .03em; display: block; line-height: 1.2; }
.go { border-color: #1b7f3b; } .go strong { color: #1b7f3b; }
.nogo { border-color: #b00020; } .nogo strong { color: #b00020; }
.insufficient { border-color: #b36b00; } .insufficient strong { color: #b36b00; }
.warning { border-left: .2rem solid #b36b00; padding-left: .9rem; }
ol.causes > li { margin: .7rem 0; } .cause { font-weight: 600; font-variant-numeric: lining-nums; }
.badge { font-size: .8rem; color: var(--soft); border: 1px solid #bbb;
  border-radius: .7rem; padding: 0 .5rem; margin-left: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: .6rem 0 1.2rem;
  border-top: 2px solid var(--rule); border-bottom: 2px solid var(--rule);
  font-variant-numeric: tabular-nums lining-nums; }
th { text-align: left; font-weight: 600; border-bottom: 1px solid var(--rule); }
th, td { padding: .22rem .6rem .22rem 0; vertical-align: top; }
table.numbers td:not(:first-child), table.numbers th:not(:first-child) {
  text-align: right; padding: .22rem 0 .22rem .8rem; }
caption { caption-side: top; text-align: left; color: var(--soft); font-style: italic; padding-bottom: .2rem; }
.critical { color: #b00020; font-weight: 600; } .warn { color: #b36b00; font-weight: 600; }
figure { margin: 1.4rem 0; } figcaption b { color: var(--ink); font-weight: 600; }
@media print {
  body { max-width: none; margin: 0; font-size: 10.5pt; }
  figure, table, .banner { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""
PAGE = Template(
    """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style><script>$plotly</script></head>
<body>
$body
</body></html>
"""
)
"""A page of ``title``, ``style``, ``plotly`` (the library) and ``body``."""
