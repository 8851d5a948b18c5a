"""Random text in several scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

VOCABULARY = {
    "en": "bank branch harbour opens customers savings quarter market growth app update queue coffee service rate",
    "es": "banco sucursal puerto abre clientes ahorro trimestre mercado año crecimiento señal atención niño café",
    "de": "Bank Filiale Hafen öffnet Kunden Sparen Quartal Märkte Größe Straße Gebühr Gespräch heute morgen",
    "ar": "مصرف فرع ميناء يفتح عملاء ادخار ربع سوق نمو تطبيق تحديث خدمة قهوة اليوم مدينة",
    "ja": "銀行 支店 港 開店 顧客 貯蓄 四半期 市場 成長 アプリ 更新 サービス 手数料 今日 コーヒー",
    "zh_tw": "銀行 分行 港口 開業 客戶 儲蓄 季度 市場 成長 應用 更新 服務 費用 今天 咖啡",
    "ru": "банк филиал порт открывает клиенты сбережения квартал рынок рост обновление очередь услуга кофе",
    "el": "τράπεζα υποκατάστημα λιμάνι ανοίγει πελάτες αποταμίευση τρίμηνο αγορά ανάπτυξη υπηρεσία καφές",
    "hi": "बैंक शाखा बंदरगाह खुलता ग्राहक बचत तिमाही बाज़ार विकास सेवा शुल्क आज शहर कॉफ़ी",
    "he": "בנק סניף נמל נפתח לקוחות חיסכון רבעון שוק צמיחה עדכון שירות עמלה היום קפה",
    "th": "ธนาคาร สาขา ท่าเรือ เปิด ลูกค้า ออมทรัพย์ ไตรมาส ตลาด เติบโต บริการ วันนี้ กาแฟ",
    "ko": "은행 지점 항구 개점 고객 저축 분기 시장 성장 업데이트 서비스 수수료 오늘 커피",
}
LANGUAGES = tuple(VOCABULARY)
EMOJI = "😀 🚀 👩‍👩‍👧 🏦 ❤️ 🇱🇺 👍🏽 💸 🧾".split()  # noqa: SIM905
# Characters that some readers take for the end of a line, and others that break naive handling of text.
AWKWARD = (
    "\u2028",
    "\u2029",
    "\u0085",
    "\u00a0",
    "\ufeff",
    "\t",
    "\n\n",
    '"',
    "\\",
    "%",
    "&amp;",
    "</b>",
    "\u0301",
)


def text(rng: random.Random, lang: str, length: int) -> str:
    """Return about `length` characters of one language, with an awkward character now and then."""
    vocabulary = VOCABULARY[lang].split()
    words: list[str] = []
    size = 0
    while size < length:
        word = rng.choice(vocabulary)
        if rng.random() < 0.02:
            word += " " + rng.choice(EMOJI)
        if rng.random() < 0.02:
            word += rng.choice(AWKWARD)
        words.append(word)
        size += len(word) + 1
    return " ".join(words)


def snippet(rng: random.Random, lang: str, length: int) -> str:
    """Return a short text with a match in bold."""
    return f"...{text(rng, lang, length // 2)} <b>{text(rng, lang, 4)}</b> {text(rng, lang, length // 2)}..."
