// What Material for MkDocs leaves out for those who use a keyboard or a screen reader.

const naming = () => {
  document.querySelectorAll(".md-search[role=dialog]").forEach(one => one.setAttribute("aria-label", "Search"));
  document.querySelectorAll(".md-code__nav").forEach((one, i) => {
    const label = `Code block ${i + 1}`;
    if (one.getAttribute("aria-label") !== label) one.setAttribute("aria-label", label);
  });
  // What is wider than its place is scrolled by the arrow keys, once it can have the focus.
  document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap").forEach(one => {
    if (!one.hasAttribute("tabindex")) one.setAttribute("tabindex", "0");
  });
};
new MutationObserver(naming).observe(document.body, { childList: true, subtree: true });
naming();
