"""Made-up text in several scripts."""

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
# Characters that end a line for careless readers, and others that break naive handling of text.
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


def text(chance: random.Random, lang: str, length: int) -> str:
    """About `length` characters of one language, now and then with an awkward character."""
    words = VOCABULARY[lang].split()
    pieces: list[str] = []
    size = 0
    while size < length:
        word = chance.choice(words)
        if chance.random() < 0.02:
            word += " " + chance.choice(EMOJI)
        if chance.random() < 0.02:
            word += chance.choice(AWKWARD)
        pieces.append(word)
        size += len(word) + 1
    return " ".join(pieces)


def snippet(chance: random.Random, lang: str, length: int) -> str:
    """Make a short text with a hit in bold."""
    return f"...{text(chance, lang, length // 2)} <b>{text(chance, lang, 4)}</b> {text(chance, lang, length // 2)}..."
