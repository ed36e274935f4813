from .downloads import Downloads, Stream
from .uploads import Streamed, Uploads
