"""Answers of learners to the exercises on losses and networks, in the form of layer_answers.py."""

RIGHT = {
    "saliency": """
def saliency_map(net, x, labels):
    trace = net.forward(x)
    scores = trace.activations[net.output]
    seed = np.zeros_like(scores)
    seed[np.arange(len(x)), list(labels)] = 1
    dx = net.backward(trace, {net.output: seed})["input"]
    return abs(dx).max(axis=1)
""",
    "fooling": """
def fooling_step(net, x, target, learning_rate):
    trace = net.forward(x)
    seed = np.zeros_like(trace.activations[net.output])
    seed[0, target] = 1
    g = net.backward(trace, {net.output: seed})["input"]
    return x + learning_rate * g / np.sqrt((g * g).sum())


def fooling_image(net, x, target, learning_rate, max_steps):
    for steps in range(max_steps):
        scores = net.forward(x).activations[net.output]
        if scores[0].argmax() == target:
            return x, steps
        x = fooling_step(net, x, target, learning_rate)
    return x, max_steps
""",
    "class_ascent": """
def class_ascent_step(net, x, label, learning_rate, l2_reg, shift):
    x = np.roll(x, shift, axis=(2, 3))
    trace = net.forward(x)
    seed = np.zeros_like(trace.activations[net.output])
    seed[0, label] = 1
    g = net.backward(trace, {net.output: seed})["input"]
    g = g - 2 * l2_reg * x
    x = x + learning_rate * g / np.linalg.norm(g)
    return np.roll(x, (-shift[0], -shift[1]), axis=(2, 3))
""",
    "total_variation": """
def total_variation(x):
    down = x[:, :, 1:] - x[:, :, :-1]
    right = x[:, :, :, 1:] - x[:, :, :, :-1]
    loss = (down**2).sum() + (right**2).sum()
    dx = np.zeros_like(x)
    dx[:, :, 1:] += 2 * down
    dx[:, :, :-1] -= 2 * down
    dx[:, :, :, 1:] += 2 * right
    dx[:, :, :, :-1] -= 2 * right
    return loss, dx
""",
    "feature_inversion": """
def inversion_loss(net, layer, x, target):
    trace = net.forward(x)
    difference = trace.activations[layer] - target
    size = (target**2).sum()
    loss = (difference**2).sum() / size
    seed = 2 * difference / size
    return loss, net.backward(trace, {layer: seed})["input"]
""",
    "gram": """
def gram_matrix(x):
    N, C, H, W = x.shape
    F = x.reshape(N, C, H * W)
    return F @ F.transpose(0, 2, 1) / (C * H * W)


def gram_backward(dgram, x):
    N, C, H, W = x.shape
    F = x.reshape(N, C, H * W)
    dF = (dgram + dgram.transpose(0, 2, 1)) @ F / (C * H * W)
    return dF.reshape(x.shape)
""",
    "style_loss": """
def style_loss(features, target, weight):
    N, C, H, W = features.shape
    F = features.reshape(C, H * W)
    difference = F @ F.T / (C * H * W) - target[0]
    loss = weight * (difference**2).sum()
    dfeatures = weight * 4 * difference @ F / (C * H * W)
    return loss, dfeatures.reshape(features.shape)
""",
}

WRONG = {
    "saliency": [
        ("abs(dx).max(axis=1)", "dx.max(axis=1)", "absolute value is missing"),
        ("abs(dx).max(axis=1)", "abs(dx.max(axis=1))", "comes too late"),
        ("abs(dx).max(axis=1)", "abs(dx).mean(axis=1)", "averaged"),
        ("abs(dx).max(axis=1)", "abs(dx).sum(axis=1)", "added up"),
        ("abs(dx).max(axis=1)", "abs(dx).max(axis=2)", "wrong axis"),
        ("abs(dx).max(axis=1)", "dx", "gradient itself"),
        ("seed[np.arange(len(x)), list(labels)] = 1", "seed[:] = 1", "1 for all classes"),
        ("seed[np.arange(len(x)), list(labels)] = 1", "seed[:, labels[0]] = 1", "label of the first one"),
        ("seed[np.arange(len(x)), list(labels)] = 1", "seed[np.arange(len(x)), scores.argmax(axis=1)] = 1",
         "highest score"),
        ("list(labels)] = 1", "list(labels)] = scores[np.arange(len(x)), list(labels)]", "the score itself"),
        ("seed[np.arange(len(x)), list(labels)] = 1", """p = np.exp(scores) / np.exp(scores).sum(axis=1)[:, None]
    hot = np.eye(5)[list(labels)]
    seed[:] = (p * hot).sum(axis=1)[:, None] * (hot - p)""", "before the softmax"),
    ],
    "fooling": [
        ("return x + learning_rate * g", "return x - learning_rate * g", "goes down"),
        (" / np.sqrt((g * g).sum())", "", "not divided by its norm"),
        ("np.sqrt((g * g).sum())", "(g * g).sum()", "squared norm"),
        ("np.sqrt((g * g).sum())", "abs(g).max()", "largest value"),
        ("g / np.sqrt((g * g).sum())", "np.sign(g)", "sign"),
        ("np.sqrt((g * g).sum())", "np.sqrt((g * g).sum(axis=(2, 3), keepdims=True))", "Each channel"),
        ("seed[0, target] = 1", "seed[0, trace.activations[net.output][0].argmax()] = 1", "wins now"),
        ("seed[0, target] = 1", "seed[:] = 1", "sum of all scores"),
        ("return x + learning", "return learning", "the step alone"),
        ("        if scores[0].argmax() == target:\n            return x, steps\n", "", "never stops early"),
        ("        x = fooling_step(net, x, target, learning_rate)\n",
         "        return fooling_step(net, x, target, learning_rate), 1\n", "inside the loop"),
        ("        x = fooling_step(net, x, target, learning_rate)\n    return x, max_steps",
         "        x = fooling_step(net, x, target, learning_rate)\n    return x", "image, steps"),
        ("scores[0].argmax() == target:\n            return x, steps",
         "scores[0].argmax() == target:\n            return fooling_step(net, x, target, learning_rate), steps + 1",
         "One step too many"),
    ],
    "class_ascent": [
        ("return np.roll(x, (-shift[0], -shift[1]), axis=(2, 3))", "return x", "not undone"),
        ("return np.roll(x, (-shift[0], -shift[1]), axis=(2, 3))", "return np.roll(x, shift, axis=(2, 3))",
         "twice instead of undone"),
        ("    x = np.roll(x, shift, axis=(2, 3))\n", "    shift = (0, 0)\n", "is not shifted"),
        ("g = g - 2 * l2_reg * x", "g = g + 2 * l2_reg * x", "wrong sign"),
        ("g = g - 2 * l2_reg * x", "g = g - l2_reg * x", "factor 2 is missing"),
        ("    g = g - 2 * l2_reg * x\n", "", "penalty is missing"),
        ("x = x + learning_rate", "x = x - learning_rate", "goes down"),
        (" / np.linalg.norm(g)", "", "not divided by its norm"),
        ("/ np.linalg.norm(g)", "/ (g * g).sum()", "squared norm"),
        ("x = x + learning_rate * g / np.linalg.norm(g)", "x += learning_rate * g / abs(g).max()", "largest value"),
        ("seed[0, label] = 1", "seed[:] = 1", "sum of all scores"),
        ("shift, axis=(2, 3))\n    trace", "shift[::-1], axis=(2, 3))\n    shift = shift[::-1]\n    trace",
         "exchanged"),
    ],
    "total_variation": [
        ("(right**2).sum()", "0", "columns"),
        ("return loss, dx", "return loss / x.size, dx / x.size", "is a mean"),
        ("dx[:, :, 1:] += 2 * down", "dx[:, :, 1:] += down", "None of the known mistakes"),
        ("2 * ", "", "factor 2 is missing"),
        ("    dx[:, :, :-1] -= 2 * down\n    dx[:, :, :, 1:] += 2 * right\n    dx[:, :, :, :-1] -= 2 * right\n",
         "    dx[:, :, :, 1:] += 2 * right\n", "The other one gets the opposite"),
        ("-=", "+=", "same sign"),
        ("(down**2).sum() + (right**2).sum()", "abs(down).sum() + abs(right).sum()", "not squared"),
        ("loss = (down**2).sum() + (right**2).sum()", "loss = 0.5 * ((down**2).sum() + (right**2).sum())", "half"),
        ("down = x[:, :, 1:] - x[:, :, :-1]\n    right = x[:, :, :, 1:] - x[:, :, :, :-1]\n"
         "    loss = (down**2).sum() + (right**2).sum()",
         "down = x[:, :, 1:] - x[:, :, :-1]\n    right = x[:, :, :, 1:] - x[:, :, :, :-1]\n"
         "    loss = ((np.roll(x, -1, 2) - x)**2).sum() + ((np.roll(x, -1, 3) - x)**2).sum()", "over the edge"),
    ],
    "feature_inversion": [
        ("size = (target**2).sum()", "size = 1", "not divided by the sum of target**2"),
        ("2 * difference / size", "difference / size", "factor 2 is missing"),
        ("seed = 2 *", "seed = -2 *", "wrong sign"),
        ("2 * difference / size", "2 * difference", "gradient is not divided"),
        ("net.backward(trace, {layer: seed})[\"input\"]", "seed", "to the features"),
        ("(target**2).sum()", "target.size", "is a mean"),
        ("loss = (difference**2).sum() / size", "loss = np.sqrt((difference**2).sum() / size)", "no square root"),
        ("(target**2).sum()", "(trace.activations[layer]**2).sum()", "features**2"),
    ],
    "gram": [
        ("F @ F.transpose(0, 2, 1) / (C * H * W)", "F @ F.transpose(0, 2, 1)", "sum instead of a mean"),
        ("F @ F.transpose(0, 2, 1) / (C * H * W)", "F @ F.transpose(0, 2, 1) / (H * W)", "H * W only"),
        ("F @ F.transpose(0, 2, 1) / (C * H * W)", "F.transpose(0, 2, 1) @ F / (C * H * W)", "wrong axis"),
        ("(dgram + dgram.transpose(0, 2, 1))", "dgram", "One part is missing"),
        ("(dgram + dgram.transpose(0, 2, 1))", "2 * dgram", "symmetric dgram only"),
        ("dF = (dgram + dgram.transpose(0, 2, 1)) @ F / (C * H * W)", "dF = (dgram + dgram.transpose(0, 2, 1)) @ F",
         "division by C * H * W is missing"),
        ("(dgram + dgram.transpose(0, 2, 1))", "np.full_like(dgram, 2)", "upstream gradient is missing"),
        ("return dF.reshape(x.shape)", "return dF", "shape"),
        ("F = x.reshape(N, C, H * W)\n    return", "F = x.reshape(N, C, H * W)\n    F = F - F.mean(2)[:, :, None]\n"
         "    return", "covariance"),
    ],
    "style_loss": [
        ("loss = weight * ", "loss = ", "weight is missing in the loss"),
        ("weight * 4 *", "4 *", "weight is missing in the gradient"),
        ("weight * 4 *", "weight * 2 *", "half of what it should be"),
        ("@ F / (C * H * W)", "@ F", "missing in the gradient"),
        ("difference = F @ F.T / (C * H * W) - target[0]", "difference = target[0] - F @ F.T / (C * H * W)",
         "wrong sign"),
        ("(difference**2).sum()", "abs(difference).sum()", "not squared"),
        ("(difference**2).sum()", "(difference**2).mean()", "is a mean"),
        (" / (C * H * W)", "", "not divided by C * H * W"),
    ],
}
