"""Published results on the reliability of scores, as sentences. No torch."""

from __future__ import annotations

# From the ratings of Kreiss et al. 2022 (Context Matters for Image Descriptions for Accessibility): 16 blind or
# low-vision people, 68 descriptions of 18 images. Pearson correlations use the mean rating of each description. The
# ceiling is the root of the reliability of a mean of four readers, by crossed random effects (REML). The order is a
# share of the 91 pairs of texts of an image with different mean ratings: the pairs that CLIPScore orders as readers do.
READERS, DESCRIPTIONS, IMAGES, PAIRS = 16, 68, 18, 91
BY_CLIPSCORE, BY_LENGTH, CEILING, ORDER = 0.075, 0.573, 0.77, 0.538

PARAGRAPHS = (
    "A CLIP model turns the image and the text into two vectors. The score is the cosine of the two vectors, and "
    "CLIPScore is 2.5 times the score. A score tells how well image and text fit together for the model. It does not "
    "tell whether the text is a good description.",
    f"In a study by Kreiss et al. (2022), {READERS} blind or low-vision people rated {DESCRIPTIONS} descriptions of "
    f"{IMAGES} images. Their overall ratings have a correlation of {BY_CLIPSCORE:.3f} with CLIPScore, and of "
    f"{BY_LENGTH:.3f} with the number of letters of the description. The correlation of any score is limited to about "
    f"{CEILING:.2f}, because readers differ: each description has the ratings of about four readers. CLIPScore puts "
    f"{100 * ORDER:.1f} % of the pairs of descriptions of an image in the order of the readers. Chance would put 50 % "
    "in that order.",
    "Use this list to find texts that belong to another image, broken files and slips. Do not use scores to choose "
    "between two texts of an image, or to judge writers.",
)
BRIEFLY = (
    f"a score is no measure of quality. With the ratings of blind and low-vision readers, CLIPScore has a correlation "
    f"of {BY_CLIPSCORE:.3f}, and the mere length of the text a correlation of {BY_LENGTH:.3f} (Kreiss et al. 2022)"
)
