"""What check_article.py and check_chapter.py share: a page of docs/ that shows what its configs give."""
import re

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")


def unit(text):
    """One in the last digit shown."""
    digits, _, exponent = text.partition("e")
    return 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def differences(stated, given):
    """Where two texts differ by more than one unit of the last digit shown."""
    if NUMBER.split(stated) != NUMBER.split(given):
        return [(stated, given)]
    pairs = zip(NUMBER.findall(stated), NUMBER.findall(given))
    return [(a, b) for a, b in pairs if abs(float(a) - float(b)) > 1.01 * unit(a)]


class PageChecks:
    """Beside unittest.TestCase, in a class with the attribute `page` (tools/page.py)."""

    def test_document_and_configs_belong_together(self):
        page, top = self.page, self.page.document.parent.parent
        text = page.document.read_text()
        configs = {path.name for path in (top / "configs").glob(f"{page.name}*.yaml")}
        self.assertEqual(configs, {f"{page.name}_{name}.yaml" for name in page.configs})
        for name in configs:
            self.assertIn(f"configs/{name}", text)
        self.assertEqual(set(re.findall(r"figures/(\w+)\.png", text)), {f"{page.name}_{name}" for name in page.figures})
        for name in page.figures:
            self.assertTrue((top / "docs" / "figures" / f"{page.name}_{name}.png").exists())
