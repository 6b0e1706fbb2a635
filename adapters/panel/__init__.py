"""What the field team sees and hears on the kit itself: lamps, and a voice."""

from adapters.panel.adapter import Panel

__all__ = ["Panel"]
