"""What is wrong with a page as it is drawn: measured in the browser, at several widths, dark and light."""

from selenium.webdriver import Chrome

WIDTHS = (360, 820, 1600)
SCHEMES = ("light", "dark")
MIN_CONTRAST = 4.5  # of WCAG 2.1, level AA, for text

_FAULTS = """
const faults = [], root = document.documentElement;
if (root.scrollWidth > window.innerWidth) {
  const wide = [...document.querySelectorAll('body *')].filter(part =>
    part.getBoundingClientRect().right > window.innerWidth + 1 && !part.closest('.wide'));
  faults.push(`overflows by ${root.scrollWidth - window.innerWidth}: ${wide.slice(0, 3).map(part => part.tagName)}`);
}
const levels = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(heading => +heading.tagName[1]);
if (levels[0] !== 1 || levels.filter(level => level === 1).length !== 1) faults.push(`headings begin ${levels}`);
levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) faults.push(`heading skips: ${levels}`); });
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const bytes = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = part => {
  for (; part; part = part.parentElement) {
    const colour = bytes(getComputedStyle(part).backgroundColor);
    if (colour[3] > 200) return colour;
  }
  return [255, 255, 255];
};
const said = new Set();
for (const part of document.querySelectorAll('body *')) {
  if (![...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
  const style = getComputedStyle(part), inPicture = part.tagName === 'text';
  const [a, b] = [luminance(bytes(inPicture ? style.fill : style.color)), luminance(ground(part))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < arguments[0]) said.add(`contrast ${contrast.toFixed(2)} of ${part.tagName} ${part.className}`);
  if (inPicture) {
    const box = part.getBoundingClientRect(), svg = part.closest('svg').getBoundingClientRect();
    if (box.left < svg.left - 1 || box.right > svg.right + 1) said.add(`label cut off: ${part.textContent}`);
    const size = parseFloat(style.fontSize) * svg.width / part.closest('svg').viewBox.baseVal.width;
    if (size < 8.5) said.add(`label of ${size.toFixed(1)} px: ${part.textContent}`);
  }
}
for (const svg of document.querySelectorAll('svg, img')) {
  const alt = svg.getAttribute('aria-label') || svg.getAttribute('alt') || '';
  if (alt.length < 20) said.add(`a picture without a description: ${alt}`);
  const marks = [...svg.querySelectorAll('text[text-anchor=middle]')].map(label => label.getBoundingClientRect());
  marks.forEach((box, i) => marks.slice(i + 1).forEach(next => {
    if (box.right > next.left + 1 && next.right > box.left + 1 && box.bottom > next.top + 1 && next.bottom > box.top + 1)
      said.add(`labels lie upon each other in: ${alt}`);
  }));
}
return [...faults, ...said];
"""


def faults_of(browser: Chrome, url: str, width: int, scheme: str) -> list[str]:
    """What a person would trip over at this width, in CSS pixels, in this colour scheme; errors of the console too."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get_log("browser")  # what other pages said before
    browser.get(url)
    browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    said = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    console = [message for message in said if "/favicon.ico" not in message]  # which browsers ask for by themselves
    return [*browser.execute_script(_FAULTS, MIN_CONTRAST), *console]
