"""Yes and no, as people and their spreadsheets write them.

A word counts only if it means the same to everybody who would write it into a cell: consent is never guessed, so
a word with two meanings is unreadable. More words count for the one question whether somebody has unsubscribed.
"""

import re
import unicodedata
from enum import Enum
from typing import Any, Final

from jetbridge.spec.emails import visible


class ParsedBoolean(Enum):
    YES = "yes"
    NO = "no"
    #: null, or an empty text.
    MISSING = "missing"
    UNREADABLE = "unreadable"


#: Words for yes and for no by language (ISO 639-1): what answers a question, and what spreadsheets show for TRUE and
#: FALSE. With accents; they are read without as well.
_WORDS = {
    "bg": ("да истина", "не лъжа"),
    "ca": ("sí", "no fals"),
    "cs": (
        "ano pravda",
        "ne nepravda",
    ),  # `ne` is no in five languages, and yes only in Greek spelled in Latin
    "da": ("ja sand sandt", "nej falsk"),
    "de": ("ja wahr", "nein falsch"),
    "el": ("ναι αληθές αληθής", "όχι ψευδές ψευδής"),
    "en": ("yes true", "no false"),
    "es": ("sí verdadero cierto", "no falso"),
    "et": ("jah", "ei"),
    "eu": ("bai", "ez"),
    "fi": ("kyllä joo tosi", "ei epätosi"),
    "fr": (
        "oui vrai",
        "non faux",
    ),  # not `si`: it contradicts, and to others it is a plain yes, which it stays
    "hr": ("da istina", "ne laž"),
    "hu": ("igen igaz", "nem hamis"),
    "id": ("ya benar", "tidak salah"),
    "is": ("já", "nei"),
    "it": ("sì vero", "no falso"),
    "ja": ("はい 真", "いいえ 偽"),
    "ko": ("예 네", "아니요 아니오"),
    "lt": ("taip", "ne"),
    "lv": ("jā", "nē"),
    "nl": ("ja waar", "nee onwaar"),
    "no": ("ja sann", "nei usann"),
    "pl": ("tak prawda", "nie fałsz falsz"),  # ł is a letter and no l with an accent
    "pt": ("sim verdadeiro", "não falso"),
    "ro": (
        "da adevărat",
        "nu fals",
    ),  # `nu` is "now" in Dutch and Swedish, which is no answer to the question
    "ru": ("да истина правда", "нет ложь"),
    "sk": ("áno pravda", "nie nepravda"),
    "sl": ("da", "ne"),
    "sv": ("ja sant", "nej falskt"),
    "tr": ("evet doğru", "hayır hayir yanlış yanlis"),  # ı is a letter and no i without its dot
    "uk": ("так істина", "ні хибність"),
    "zh": ("是 对 真", "否 不 假"),
    "he": ("כן", "לא"),
    "ar": ("نعم", "لا"),
}
#: One letter stands for a word where forms and exports print it so: Y/N and T/F, J/N (de, nl, da, no, sv), O/N and V/F
#: (fr), S/N (es, it, pt), T/N (pl), W/F (de), Д/Н (ru). Letters that are yes to some and no to others are missing: `e`
#: (evet, ei), `h` (hayır), `i`, `k`, `a`.
_LETTERS = ("y t j o s v w д", "n f н")
#: What programs and forms write. `1.0` and `0.0` are numbers that went through a column with gaps. `x` is missing: to
#: some it ticks a box, to others it crosses one out. So are `ok` and `-`, which answer no question.
_SIGNS = ("1 1.0 on ✓ ✔ ☑ ✅", "0 0.0 off ☐")

#: What says by itself that somebody has unsubscribed, or has not. It answers this one question and no other. Words that
#: forms and exports use; in gendered languages in both forms. Missing is what may mean something else even here: `cancelled`,
#: `inactive`, `baja` and `alta` (low and high), `not subscribed` (perhaps never asked), `pending`, `cleaned`.
_CONSENT = {
    "cs": ("odhlášen odhlášena odhlášeno", "přihlášen přihlášena přihlášeno"),
    "da": ("afmeldt frameldt", "tilmeldt"),
    "de": ("abgemeldet abbestellt ausgetragen", "angemeldet abonniert eingetragen"),
    "en": ("unsubscribed unsubscribe opted-out opt-out", "subscribed subscribe opted-in opt-in"),
    "es": ("desuscrito desuscrita dado-de-baja dada-de-baja", "suscrito suscrita dado-de-alta dada-de-alta"),
    "fr": ("désabonné désabonnée désinscrit désinscrite", "abonné abonnée inscrit inscrite"),
    "hu": ("leiratkozott", "feliratkozott"),
    "it": ("disiscritto disiscritta", "iscritto iscritta"),
    "ja": ("配信停止 登録解除", "購読中"),
    "nl": ("uitgeschreven afgemeld", "ingeschreven aangemeld geabonneerd"),
    "no": ("avmeldt", "påmeldt"),
    "pl": ("wypisany wypisana", "zapisany zapisana"),
    "pt": ("descadastrado descadastrada desinscrito desinscrita", "inscrito inscrita subscrito subscrita"),
    "ro": ("dezabonat dezabonată", "abonat abonată"),
    "ru": ("отписан отписана отписался отписалась", "подписан подписана подписался подписалась"),
    "sv": ("avregistrerad avprenumererad avanmäld", "prenumererad prenumerant"),
    "uk": ("відписаний відписана відписався відписалась", "підписаний підписана підписався підписалась"),
    "zh": ("已退订 退订", "已订阅 订阅"),
}
_BETWEEN_WORDS = re.compile(r"[\s_\-\u2010-\u2013]+")

#: Characters of a value, with what may stand around it.
LONGEST: Final = 100


def parse_boolean(value: Any) -> ParsedBoolean:
    """What a value means as a boolean."""
    if value is None:
        return ParsedBoolean.MISSING
    if isinstance(value, bool):
        return ParsedBoolean.YES if value else ParsedBoolean.NO
    if isinstance(value, int | float):
        return _OF_NUMBERS.get(value, ParsedBoolean.UNREADABLE)
    if not isinstance(value, str) or len(value) > LONGEST:
        return ParsedBoolean.UNREADABLE
    return _OF_TEXTS.get(value) or _OF_TEXTS.get(_plain(value), ParsedBoolean.UNREADABLE)


def parse_unsubscribed(value: Any) -> ParsedBoolean:
    """Whether a value means that somebody has unsubscribed: as a boolean, or by a word for just that."""
    parsed = parse_boolean(value)
    if parsed is ParsedBoolean.UNREADABLE and isinstance(value, str) and len(value) <= LONGEST:
        return _CONSENT_OF_TEXTS.get(_without_gaps(value), parsed)
    return parsed


def _without_gaps(text: str) -> str:
    """“opt-out”, “Opt Out”, “OPT_OUT” and “optout” are one."""
    return _BETWEEN_WORDS.sub("", _plain(text))


def _plain(text: str) -> str:
    """Without case, accents, and what nobody sees."""
    decomposed = unicodedata.normalize("NFKD", visible(text).casefold())
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


_YES_AND_NO = (*_WORDS.values(), _LETTERS, _SIGNS)
_OF_TEXTS: Final = (
    {"": ParsedBoolean.MISSING}
    | {_plain(word): ParsedBoolean.YES for yes, _ in _YES_AND_NO for word in yes.split()}
    | {_plain(word): ParsedBoolean.NO for _, no in _YES_AND_NO for word in no.split()}
)
_CONSENT_OF_TEXTS: Final = {
    _without_gaps(word): ParsedBoolean.YES for yes, _ in _CONSENT.values() for word in yes.split()
} | {_without_gaps(word): ParsedBoolean.NO for _, no in _CONSENT.values() for word in no.split()}
_OF_NUMBERS: Final[dict[float, ParsedBoolean]] = {1: ParsedBoolean.YES, 0: ParsedBoolean.NO}
