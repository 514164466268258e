"""What a verdict says to the person with the paper in hand; plain Chinese, no marks of code."""

from collections.abc import Mapping

from service.model import VerdictCode

MESSAGES: Mapping[VerdictCode, str] = {
    VerdictCode.EXACT: "文件自签发后未改动。",
    VerdictCode.TEXT_MATCH: (
        "文字与签发时一致。图片和版式未核验（不能排除文件被另存或遮盖过），"
        "请将下面的核验文字与所见内容逐一对照。"
    ),
    VerdictCode.CLAIMS_ONLY: "验证码由所列单位签发。仅核验了下列要素，请逐项与纸面核对；正文未核验。",
    VerdictCode.ALTERED: (
        "内容与签发时不一致。合并、节选或自行转存的文件也会得到这一结果，请上传签发的原 PDF 或 docx。"
    ),
    VerdictCode.REVOKED: "该文件已作废，请勿使用。",
    VerdictCode.EXPIRED: "该文件已过有效期。",
    VerdictCode.KEY_COMPROMISED: (
        "签发密钥已失效，无法确认该文件的真伪；下列内容可能系伪造，请向签发单位核实。"
    ),
    VerdictCode.UNKNOWN_KEY: "非本系统签发：没有签发这个验证码的单位，它不能证明文件的真实性。",
    VerdictCode.BAD_TOKEN: "非本系统签发：验证码无效，可能已损坏或被改动。",
    VerdictCode.CONFLICT: "文件中有不止一个不同的验证码，无法判断以哪一个为准，请逐个扫码核验。",
    VerdictCode.NO_SEAL: "未发现验证码，无法核验。没有验证码不等于文件不真实。",
}
"""One message per verdict; the same whatever led to it."""

DRAFT = "这是草稿，不具效力。"
"""Put before the message of a draft's token."""

DEVELOPMENT = "签发者是开发试用签发者，仅供试用，不具效力。"
"""Put before the message of a token that the development issuer signed."""

SIGNED_TEXT = "验证码中带有签发时的全文，列在下面，请与所见内容逐行对照。"
"""Put after the message where the token carries the text and nothing could be compared with it."""

MARKED = "与签发时的全文不同之处已在下面逐处标出。"
"""Put after the message of ALTERED where the differences are marked."""

MARKED_ACROSS = "全文取自 PDF，页眉、文本框的先后与 Word 文件不尽相同，也会标出。"
"""Put after `MARKED` for a docx that is held against a PDF's text."""

UNLIKE = "签发时的全文列在下面；它与文件的文字相差很大，没有逐处标出。"
"""Put after the message of ALTERED where the two are hardly one text."""

FLAGGED = "文件含有{flags}，这些内容未核验，请留意。"
"""Put after the message of a docx whose text does not tell all."""

SIGNATURE = "验证码的数字签名"
ISSUER = "签发单位"
CLAIMS = "下列要素"
REVOCATION = "作废名单"
EXPIRY = "有效期"
KEY = "签发密钥的状态"
PDF_TEXT = "PDF 全文文字"
DOCX_TEXT = "Word 全文文字（含页眉页脚、文本框和脚注）"
LABEL_TEXT = "标签各栏文字"
WHOLE_FILE = "整个文件（PDF 数字签名）"

BODY = "正文"
PICTURES = "图片、印章图样和版式"
NUMBERING = "自动编号"
PAPER = "纸面与验证码是否属于同一份文件"
SEAL_STAMP = "实体印章"
TIME = "签发时间（日期由签发单位自行填写）"
NOT_BOUND = "正文（该验证码未记录这种文件的文字校验值）"
LABEL_UNREAD = "标签上其余的文字（收件人、电话和地址）"
NO_TEXT = "正文（文件没有可比对的文字层）"
EVERYTHING = "文件的任何内容"

UNSIGNED = "PDF 数字签名（文件没有签名，或另存时已丢失）"
SIGNATURE_BROKEN = "PDF 数字签名（签名之后文件被改动或附加过内容）"
SIGNATURE_MANY = "PDF 数字签名（文件有不止一个签名）"
SIGNATURE_FOREIGN = "PDF 数字签名（不是该签发单位公布的证书）"
SIGNATURE_COMPROMISED = "PDF 数字签名（所用证书已宣布失效）"

OFFLINE_TEXT = "正文（文字校验值只能由签发服务联机核对）"
NO_LIST = "作废名单（没有下载过）"
OLD_LIST = "{date}之后的作废情况（名单是那时下载的）"

SCAN = "这是扫描件或照片：验证码由所列单位签发，但图上的文字无法自动比对，请逐项与下列要素核对。"
"""The message of CLAIMS_ONLY for a scan."""

SCAN_PAGES = "原件共 {pages} 页，请清点是否齐全。"
SCANNED_TEXT = "正文（扫描件的文字，包括识别出的文字，不能用来比对）"

SCAN_SHORT = "上传的只有 {found} 页。"
"""Put after `SCAN_PAGES` where pages are missing."""

SEVERAL = "文件中有 {count} 个验证码，逐个核验的结论列在下面。"
"""Put before the message about a file with several codes."""

PART = "第 {pages} 页的文字与签发时的一份文件一致，其余各页不属于它。"
"""Put after the message of ALTERED where a document is whole within a larger file."""

OUTSIDE = "第 {pages} 页不属于其中任何一份文件。"
"""Put after the message where a file of several documents has other pages, too."""

SEVERAL_ALTERED = "其中有内容与签发时不一致。"
"""In place of the message of ALTERED, which asks for the one original."""
