"use strict";
// Light or dark: the system's choice until the button makes another, which is kept where the browser lets a page keep one.
{
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)"), name = "gcl-colours";
  const kept = () => { try { return localStorage.getItem(name); } catch { return null; } };
  const keep = value => { try { localStorage.setItem(name, value); } catch { /* it holds for this visit */ } };
  const dark = () => (root.dataset.colours || (system.matches ? "dark" : "light")) === "dark";
  if (["light", "dark"].includes(kept())) root.dataset.colours = kept();
  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.colours");
    const say = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.colours = dark() ? "light" : "dark";
      keep(root.dataset.colours);
      say();
    });
    system.addEventListener("change", say);
    say();
  });
}
