"""What the stub answers: success, and errors in the XML of S3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

ERRORS: Mapping[str, tuple[int, str]] = {
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "AccessDenied": (403, "Access Denied"),
    "AuthorizationHeaderMalformed": (400, "The authorization header is malformed"),
    "AuthorizationQueryParametersError": (400, "The signature in the query is malformed"),
    "BadDigest": (400, "The digest that you gave did not match the content"),
    "ConditionalRequestConflict": (409, "A conflicting operation happened meanwhile"),
    "EntityTooLarge": (400, "Your upload is larger than an object may be"),
    "EntityTooSmall": (400, "A part that is not the last is smaller than a part must be"),
    "ExpiredToken": (400, "The provided token has expired."),
    "IncompleteBody": (400, "Fewer bytes came than Content-Length had told of"),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "There is no such access key"),
    "InvalidArgument": (400, "An argument is not valid"),
    "InvalidDigest": (400, "Content-MD5 is not valid"),
    "InvalidPart": (400, "A part could not be found, or its ETag did not match"),
    "InvalidPartOrder": (400, "Parts must be listed in ascending order"),
    "InvalidRange": (416, "The range is not satisfiable"),
    "InvalidRequest": (400, "The request is not valid"),
    "InvalidStorageClass": (400, "There is no such storage class"),
    "InvalidTag": (400, "A tag is not valid"),
    "InvalidToken": (400, "The session token is not valid"),
    "InvalidURI": (400, "The URI could not be parsed"),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedXML": (400, "The XML is not well-formed, or not as it should be"),
    "MetadataTooLarge": (400, "The metadata exceeds 2 KB"),
    "MethodNotAllowed": (405, "The method is not allowed here"),
    "MissingContentLength": (411, "You must provide the Content-Length header"),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (404, "The upload does not exist; it may have been aborted or completed"),
    "NotImplemented": (501, "Something that you asked for is not implemented"),
    "OperationAborted": (409, "A conflicting operation is in progress. Please try again."),
    "PermanentRedirect": (301, "The bucket is to be addressed at another endpoint"),
    "PreconditionFailed": (412, "At least one of the preconditions did not hold"),
    "QuotaExceeded": (403, "The quota of the bucket is used up"),
    "RequestTimeTooSkewed": (403, "The time of the request differs too much from ours"),
    "RequestTimeout": (400, "Nothing was read from or written to your connection for too long."),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
    "SignatureDoesNotMatch": (403, "The signature that you gave is not the one we calculated"),
    "SlowDown": (503, "Please reduce your request rate."),
    "TooManyRequests": (429, "Please reduce your request rate."),
    "XAmzContentSHA256Mismatch": (400, "x-amz-content-sha256 is not the digest of the content"),
}
"""The errors that the stub knows by their code: status, and what it says."""


@dataclass(slots=True)
class Answer:
    """A response: the framing of its body is the server's business."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class S3Error(Exception):
    """An error of S3 on its way to the client; ``code`` is one of :data:`ERRORS`."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status, usual = ERRORS[code]
        self.message = message or usual

    def answer(self, **headers: str) -> Answer:
        """Return the response that tells of it."""
        body = document("Error", ("Code", self.code), ("Message", self.message), namespace="")
        return Answer(self.status, {"Content-Type": "application/xml", **headers}, body)


Node = tuple[str, "str | Sequence[Node]"]
"""An element: its name, and its text or its children."""


def document(name: str, *children: Node, namespace: str = NAMESPACE) -> bytes:
    """Return an XML document."""
    root = ET.Element(name, {"xmlns": namespace} if namespace else {})
    _grow(root, children)
    found: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return found


def _grow(element: ET.Element, children: Sequence[Node]) -> None:
    for name, content in children:
        child = ET.SubElement(element, name)
        if isinstance(content, str):
            child.text = content
        else:
            _grow(child, content)


def xml(name: str, *children: Node, **headers: str) -> Answer:
    """Return a success that is a document."""
    return Answer(200, {"Content-Type": "application/xml", **headers}, document(name, *children))
