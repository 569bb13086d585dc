"""The alerts in French, with the action to take, for the emails."""

from __future__ import annotations

from dataclasses import dataclass

from mdp_dagster.connectors.redaction import redact
from mdp_dagster.delivery.mail import one_line
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert

_MOST_DETAIL = 600

_TEXTS: dict[AlertCause, tuple[str, str, str]] = {
    AlertCause.SYNC_FAILED: (
        "synchronisation échouée",
        "La boutique n’a pas pu être lue cette nuit. Ses chiffres restent ceux de la dernière nuit complète.",
        "Transmettez ce message à la personne qui exploite MDP. La prochaine nuit rattrape tout ce qui manque.",
    ),
    AlertCause.TOO_MANY_REJECTS: (
        "trop de données rejetées",
        "Plus de 5 % des données de cette nuit sont illisibles. Rien de cette nuit n’a été repris pour la boutique.",
        "Transmettez ce message à la personne qui exploite MDP. Les motifs sont dans le contrôle « reject_rate ».",
    ),
    AlertCause.NO_ORDERS: (
        "journée sans commande",
        "La boutique n’a aucune commande, alors qu’elle en a d’habitude ce jour de la semaine.",
        "Vérifiez dans la boutique que la vente et le paiement fonctionnent.",
    ),
    AlertCause.COUNT_DIFFERS: (
        "nombre de commandes différent",
        "MDP n’a pas le même nombre de commandes que la boutique. Ses chiffres restent ceux de la nuit précédente.",
        "Attendez la prochaine nuit. Si l’écart persiste, transmettez ce message à la personne qui exploite MDP.",
    ),
    AlertCause.WATERMARK_STOPPED: (
        "données en retard de plus de 26 heures",
        "Aucune synchronisation complète depuis plus de 26 heures.",
        "Transmettez ce message à la personne qui exploite MDP.",
    ),
    AlertCause.NOT_PUBLISHED: (
        "chiffres non publiés",
        "Une étape de la nuit a échoué. Les fichiers et le tableau de bord gardent les chiffres précédents.",
        "Transmettez ce message à la personne qui exploite MDP.",
    ),
}


@dataclass(frozen=True)
class AlertText:
    """An alert for people.

    Args:
        title: A few words, for the subject.
        shop: The shop's domain.
        text: The consequence, in a sentence.
        action: What to do.
        detail: The technical message, in English.
    """

    title: str
    shop: str
    text: str
    action: str
    detail: str


def alert_text(alert: ShopAlert) -> AlertText:
    """Returns an alert in French."""
    title, text, action = _TEXTS[alert.cause]
    return AlertText(title, alert.shop, text, action, one_line(redact(f"{alert.text} → {alert.remedy}"), _MOST_DETAIL))
