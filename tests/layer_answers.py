"""Answers of learners to the exercises on layers: a right one each, and wrong ones made from it.

RIGHT : {exercise: text of the answer}. WRONG : {exercise: [(part of the right answer, its replacement, words of the
hint that must appear)]}.
"""

CONV_LOOPS = """
def conv_forward(x, w, b, stride, pad):
    N, C, H, W = x.shape
    F, C, KH, KW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    out = np.zeros((N, F, OH, OW), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    window = padded[n, :, i * stride:i * stride + KH, j * stride:j * stride + KW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out


def conv_backward(dout, x, w, stride, pad):
    N, C, H, W = x.shape
    F, C, KH, KW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw, db = np.zeros_like(padded), np.zeros_like(w), np.zeros(F, w.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    rows = slice(i * stride, i * stride + KH)
                    columns = slice(j * stride, j * stride + KW)
                    dpadded[n, :, rows, columns] += w[f] * dout[n, f, i, j]
                    dw[f] += padded[n, :, rows, columns] * dout[n, f, i, j]
                    db[f] += dout[n, f, i, j]
    dx = dpadded[:, :, pad:pad + H, pad:pad + W]
    return dx, dw, db
"""

RIGHT = {
    "relu": """
def relu_forward(x):
    return np.maximum(x, 0)


def relu_backward(dout, x):
    mask = x > 0
    return dout * mask
""",
    "relu_deconv": """
def deconv_relu_backward(dout, x):
    return dout * (dout > 0)
""",
    "relu_guided": """
def guided_relu_backward(dout, x):
    return dout * (x > 0) * (dout > 0)
""",
    "linear": """
def linear_forward(x, w, b):
    return x @ w.T + b


def linear_backward(dout, x, w):
    dx = dout @ w
    dw = dout.T @ x
    db = dout.sum(axis=0)
    return dx, dw, db
""",
    "conv_naive": CONV_LOOPS,
    "conv_im2col": """
def im2col(x, KH, KW, stride, pad):
    N, C, H, W = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    windows = np.zeros((N, C, KH, KW, OH, OW), x.dtype)
    for k in range(KH):
        for m in range(KW):
            windows[:, :, k, m] = padded[:, :, k:k + stride * OH:stride, m:m + stride * OW:stride]
    return windows.transpose(0, 4, 5, 1, 2, 3).reshape(N, OH * OW, C * KH * KW)


def col2im(drows, shape, KH, KW, stride, pad):
    N, C, H, W = shape
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    windows = drows.reshape(N, OH, OW, C, KH, KW).transpose(0, 3, 4, 5, 1, 2)
    dpadded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), drows.dtype)
    for k in range(KH):
        for m in range(KW):
            dpadded[:, :, k:k + stride * OH:stride, m:m + stride * OW:stride] += windows[:, :, k, m]
    return dpadded[:, :, pad:pad + H, pad:pad + W]


def conv_forward(x, w, b, stride, pad):
    N, C, H, W = x.shape
    F, C, KH, KW = w.shape
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    out = im2col(x, KH, KW, stride, pad) @ w.reshape(F, -1).T + b
    return out.transpose(0, 2, 1).reshape(N, F, OH, OW)


def conv_backward(dout, x, w, stride, pad):
    F, C, KH, KW = w.shape
    rows = im2col(x, KH, KW, stride, pad)
    douts = dout.reshape(len(x), F, -1).transpose(0, 2, 1)
    dw = np.einsum("npf,npk->fk", douts, rows).reshape(w.shape)
    db = dout.sum(axis=(0, 2, 3))
    dx = col2im(douts @ w.reshape(F, -1), x.shape, KH, KW, stride, pad)
    return dx, dw, db
""",
    "max_pool": """
def windows_of(x, size, stride):
    OH, OW = (x.shape[2] - size) // stride + 1, (x.shape[3] - size) // stride + 1
    return [x[:, :, k:k + stride * OH:stride, m:m + stride * OW:stride] for k in range(size) for m in range(size)]


def max_pool_forward(x, size, stride):
    return np.stack(windows_of(x, size, stride)).max(axis=0)


def max_pool_backward(dout, x, size, stride):
    out = max_pool_forward(x, size, stride)
    dx = np.zeros_like(x)
    free = np.ones(out.shape, bool)
    for window, dwindow in zip(windows_of(x, size, stride), windows_of(dx, size, stride)):
        found = free & (window == out)
        dwindow += dout * found
        free &= ~found
    return dx
""",
    "concat": """
def concat_forward(left, right):
    return np.concatenate([left, right], axis=1)


def concat_backward(dout, channels):
    dleft, dright = dout[:, :channels], dout[:, channels:]
    return dleft, dright


def fan_out_backward(dleft, dright):
    return dleft + dright
""",
}

CONV_WRONG = [
    ("+ b[f]", "", "bias is missing"),
    ("window = padded[n, :, i * stride:i * stride + KH, j * stride:j * stride + KW]",
     "window = padded[n, :, i:i + KH, j:j + KW]", "stride is ignored"),
    ("* w[f]) + b", "* w[f, :, ::-1, ::-1]) + b", "turned around"),
    ("np.sum(window * w[f])", "np.mean(window * w[f])", "mean over its window"),
    ("dx = dpadded[:, :, pad:pad + H, pad:pad + W]", "dx = dpadded", "padding is not undone"),
    ("dx = dpadded[:, :, pad:pad + H, pad:pad + W]", "dx = dpadded[:, :, :H, :W]", "top and left"),
    ("dpadded[n, :, rows, columns] += w", "dpadded[n, :, rows, columns] = w", "use += instead of ="),
    ("+= w[f] * dout[n, f, i, j]", "+= w[f]", "upstream gradient is missing in dx"),
    ("dw[f] += padded[n, :, rows, columns] * dout[n, f, i, j]", "dw[f] += padded[n, :, rows, columns]",
     "upstream gradient is missing in dw"),
    ("    return dx, dw, db", "    return dx, dw / N, db", "sum"),
    ("                    db[f] += dout[n, f, i, j]\n", "", "bias gradient is missing"),
    ("    return dx, dw, db", "    return dx, dw, dout.mean(axis=(0, 2, 3))", "it is a sum"),
    ("    return dx, dw, db", "    return dx, dw", "Return the results"),
    ("rows = slice(i * stride, i * stride + KH)\n                    columns = slice(j * stride, j * stride + KW)",
     "rows, columns = slice(i, i + KH), slice(j, j + KW)", "stride is ignored in dx"),
    ("np.zeros((N, F, OH, OW), x.dtype)", "np.zeros((N, F, OH, OW))", "type float64 for arguments of float32"),
]

WRONG = {
    "relu": [
        ("return np.maximum(x, 0)", "return x", "returns x itself"),
        ("return np.maximum(x, 0)", "return abs(x)", "absolute value"),
        ("return dout * mask", "return dout", "mask is missing"),
        ("return dout * mask", "return mask * 1.0", "upstream gradient is missing"),
        ("mask = x > 0", "mask = dout > 0", "deconvnet's rule"),
        ("mask = x > 0", "mask = (x > 0) & (dout > 0)", "guided backprop's rule"),
        ("mask = x > 0", "mask = x >= 0", "exactly zero"),
        ("mask = x > 0", "mask = x < 0", "wrong way round"),
        ("mask = x > 0", "mask = relu_forward(x)", "multiplied by the output"),
        ("return dout * mask", "dout[~mask] = 0\n    return dout", "writes into its argument"),
        ("return np.maximum(x, 0)", "x[x < 0] = 0\n    return x", "writes into its argument"),
        ("return dout * mask", "return dout * mask * np.ones(1)", "type float64"),
        ("return dout * mask", "return (dout * mask).astype('float32')", "type float32"),
        ("return dout * mask", "return -dout * mask", "wrong sign"),
        ("return dout * mask", "return 3 * dout * mask", "3 times the right one"),
        ("return dout * mask", "return (dout * mask).T", "transposed"),
        ("return dout * mask", "return dout * mask * np.nan", "not finite"),
        ("return dout * mask", "return np.where(mask, dout, -0.01 * dout)", "None of the known mistakes"),
    ],
    "relu_deconv": [
        ("(dout > 0)", "(x > 0)", "That is the gradient"),
        ("(dout > 0)", "(dout > 0) * (x > 0)", "guided backprop"),
        ("return dout * (dout > 0)", "return dout", "mask is missing"),
        ("return dout * (dout > 0)", "return abs(dout)", "not positive"),
        ("return dout * (dout > 0)", "return (dout > 0) * 1.0", "upstream gradient"),
        ("(dout > 0)", "(dout < 0)", "wrong way round"),
        ("return dout * (dout > 0)", "dout[dout < 0] = 0\n    return dout", "writes into its argument"),
    ],
    "relu_guided": [
        ("* (dout > 0)", "", "That is the gradient"),
        ("* (x > 0)", "", "deconvnet's rule"),
        ("* (x > 0) * (dout > 0)", "", "masks are missing"),
        ("* (x > 0) * (dout > 0)", "* ((x > 0) | (dout > 0))", "Both must hold"),
        ("* (x > 0) * (dout > 0)", "* (x * dout > 0)", "both are negative"),
        ("dout * (x > 0)", "1.0 * (x > 0)", "upstream gradient"),
        ("return dout * (x > 0) * (dout > 0)", "dout[(x <= 0) | (dout <= 0)] = 0\n    return dout",
         "writes into its argument"),
    ],
    "linear": [
        (" + b", "", "bias is missing"),
        ("x @ w.T + b", "x @ w + b", "weights are transposed"),
        ("dx = dout @ w", "dx = dout @ w.T", "weights are transposed in dx"),
        ("dw = dout.T @ x", "dw = x.T @ dout", "dw is transposed"),
        ("dw = dout.T @ x", "dw = dout.T @ x / len(x)", "it is a sum"),
        ("dw = dout.T @ x", "dw = np.ones_like(dout).T @ x", "upstream gradient is missing in dw"),
        ("db = dout.sum(axis=0)", "db = np.zeros_like(dout[0])", "bias gradient is missing"),
        ("db = dout.sum(axis=0)", "db = dout.mean(axis=0)", "db is a mean"),
        ("db = dout.sum(axis=0)", "db = dout.sum(axis=1)", "wrong axis"),
        ("db = dout.sum(axis=0)", "db = dout.sum(axis=0, keepdims=True)", "without keepdims"),
        ("db = dout.sum(axis=0)", "db = dout.sum()", "over all axes"),
        ("return dx, dw, db", "return dx, dw", "dx, dw, db"),
        ("return dx, dw, db", "return dx, dw.astype(float), db", "dw has the type float64"),
    ],
    "conv_naive": CONV_WRONG,
    "conv_im2col": [
        ("windows.transpose(0, 4, 5, 1, 2, 3)", "windows.transpose(0, 4, 5, 2, 3, 1)", "channel varies fastest"),
        ("return windows.transpose(0, 4, 5, 1, 2, 3)", "return windows.transpose(0, 4, 5, 1, 3, 2)",
         "Rows and columns"),
        ("reshape(N, OH * OW, C * KH * KW)", "reshape(N, OH * OW, C * KH * KW).transpose(0, 2, 1)",
         "each window is a row"),
        ("+= windows[:, :, k, m]", "= windows[:, :, k, m]", "use += instead of ="),
        ("return dpadded[:, :, pad:pad + H, pad:pad + W]", "return dpadded", "padding is not undone"),
        ("@ w.reshape(F, -1).T + b", "@ w.reshape(F, -1).T", "bias is missing"),
        ("db = dout.sum(axis=(0, 2, 3))", "db = dout.sum(axis=0)", "sum over the positions"),
        ("douts, rows).reshape", "np.ones_like(douts), rows).reshape", "upstream gradient is missing in dw"),
        ("dw = np.einsum(\"npf,npk->fk\", douts, rows)", "dw = np.einsum(\"pf,pk->fk\", douts[-1], rows[-1])",
         "last image"),
    ],
    "max_pool": [
        (".max(axis=0)", ".mean(axis=0)", "mean of each window"),
        (".max(axis=0)", ".min(axis=0)", "smallest pixel"),
        (".max(axis=0)", ".max(axis=0, initial=0)", "begins at 0"),
        ("        free &= ~found\n", "", "all of the largest"),
        ("dwindow += dout * found", "dwindow[...] = np.where(found, dout, dwindow)", "use += instead of ="),
        ("dwindow += dout * found", "dwindow += found", "upstream gradient is missing"),
        ("dwindow += dout * found", "dwindow += dout / size**2", "spread over the whole window"),
        ("dwindow += dout * found", "dwindow += dout", "All pixels of a window"),
        ("zip(windows_of(x, size, stride), windows_of(dx, size, stride))",
         "zip(windows_of(x, size, stride)[::-1], windows_of(dx, size, stride)[::-1])", "the last of the largest"),
    ],
    "concat": [
        ("np.concatenate([left, right], axis=1)", "np.concatenate([left, right], axis=0)", "wrong axis"),
        ("np.concatenate([left, right], axis=1)", "np.concatenate([right, left], axis=1)", "wrong order"),
        ("dleft, dright = dout[:, :channels], dout[:, channels:]",
         "dleft, dright = dout[:, channels:], dout[:, :channels]", "exchanged"),
        ("dleft, dright = dout[:, :channels], dout[:, channels:]", "dleft, dright = dout[:, :2], dout[:, 2:]",
         "two halves"),
        ("dleft, dright = dout[:, :channels], dout[:, channels:]", "dleft, dright = dout[:channels], dout[channels:]",
         "wrong axis"),
        ("dleft, dright = dout[:, :channels], dout[:, channels:]", "dleft, dright = dout, dout", "all of dout"),
        ("return dleft + dright", "return dleft", "left branch alone"),
        ("return dleft + dright", "return dright", "right branch alone"),
        ("return dleft + dright", "return (dleft + dright) / 2", "mean of the two"),
        ("return dleft + dright", "return dleft * dright", "They add up"),
        ("return dleft + dright", "dleft += dright\n    return dleft", "writes into its argument"),
    ],
}
