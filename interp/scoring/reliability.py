"""Published results on how far a score can be trusted, as sentences. No torch."""

from __future__ import annotations

# From the ratings of Kreiss et al. 2022 (Context Matters for Image Descriptions for Accessibility): 16 blind or
# low-vision people, 68 descriptions of 18 images. Pearson correlations are over the mean ratings of the descriptions.
# The ceiling is the root of the reliability of a mean of four readers, by crossed random effects (REML); the order is
# the share of the 91 pairs of texts of one image, with different mean ratings, that CLIPScore orders as readers do.
READERS, DESCRIPTIONS, IMAGES, PAIRS = 16, 68, 18, 91
BY_CLIPSCORE, BY_LENGTH, CEILING, ORDER = 0.075, 0.573, 0.77, 0.538

PARAGRAPHS = (
    "A score is the cosine of two vectors, one that a CLIP makes of the image and one of the text; 2.5 times the score "
    "is known as CLIPScore. It says how well image and text belong together in the eyes of the model. It does not say "
    "whether a text is a good description.",
    f"{READERS} blind or low-vision people have rated {DESCRIPTIONS} descriptions of {IMAGES} images (Kreiss et al. "
    f"2022). Their overall ratings correlate with CLIPScore by {BY_CLIPSCORE:.3f}, and with the number of letters of a "
    f"description by {BY_LENGTH:.3f}. No score could correlate beyond about {CEILING:.2f}: four readers of a text do "
    f"not agree better. Of two texts of one image CLIPScore puts {100 * ORDER:.1f} % in the order of the readers; a "
    "coin puts 50 %.",
    "So read the list to find texts that belong to another image, broken files and slips. Do not choose between two "
    "texts of one image by their scores, and do not judge writers by them.",
)
BRIEFLY = (
    f"a score is no measure of quality: among blind and low-vision readers CLIPScore correlates with ratings by "
    f"{BY_CLIPSCORE:.3f}, plain length by {BY_LENGTH:.3f} (Kreiss et al. 2022)"
)
