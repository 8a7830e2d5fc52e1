"""The conformance kit: what a format plugin must keep, as a test class to subclass and as a function to call."""

from format_plugins.conformance.catalogue import CHECKS, Check
from format_plugins.conformance.declaration import Declaration
from format_plugins.conformance.finding import Finding
from format_plugins.conformance.judging import check
from format_plugins.conformance.loss import How, Loss
from format_plugins.conformance.testcase import Conformance, classes_in

__all__ = ["CHECKS", "Check", "Conformance", "Declaration", "Finding", "How", "Loss", "check", "classes_in"]
