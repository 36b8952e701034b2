"""The environment variables of the controller and the injector."""

import pytest

from modelmonitor.core.settings import CertificatesMode, InvalidSettingError, settings_from

REQUIRED = {
    "MM_NAMESPACE": "modelmonitor-system",
    "MM_POD_NAME": "modelmonitor-controller-0",
    "MM_COLLECTOR_IMAGE": "example.com/collector@sha256:00",
}


def test_what_is_not_said_has_the_documented_default() -> None:
    settings = settings_from(REQUIRED)

    assert settings.store_url == "file:///var/lib/modelmonitor"
    assert settings.certificates_mode is CertificatesMode.SELF
    assert settings.tls_secret == "modelmonitor-injector-tls"
    assert settings.logging_level == 20


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(InvalidSettingError, match=f"{name} is not set"):
        settings_from({**REQUIRED, name: "  "})


@pytest.mark.parametrize("name", ["MM_LOG_LEVEL", "MM_CERTIFICATES_MODE"])
def test_a_value_that_is_not_allowed_is_named_with_its_alternatives(name: str) -> None:
    with pytest.raises(InvalidSettingError, match=f"{name} is 'loud': write one of "):
        settings_from({**REQUIRED, name: "loud"})


def test_without_namespaces_all_but_its_own_are_looked_at() -> None:
    settings = settings_from(REQUIRED)

    assert settings.looks_at("models")
    assert not settings.looks_at("modelmonitor-system")


def test_with_namespaces_only_those_are_looked_at() -> None:
    settings = settings_from({**REQUIRED, "MM_NAMESPACES": "models, fraud,,modelmonitor-system"})

    assert settings.looks_at("models")
    assert settings.looks_at("fraud")
    assert not settings.looks_at("other")
    assert not settings.looks_at("modelmonitor-system")
