// Pictures that the static edition makes from what is recorded of all channels: maps, and small tiles in one file.

/** Return an image that is decoded. */
export async function decoded(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}

/** Return the address of one tile, drawn into a part (top, left, bottom, right) of a grey picture of height x width. */
export async function tilePicture(
  {src, side, columns},
  number,
  [height, width] = [side, side],
  box = [0, 0, height, width]
) {
  const pen = penOf(width, height);
  pen.fillStyle = "rgb(127, 127, 127)";
  pen.fillRect(0, 0, width, height);
  const [top, left, bottom, right] = box;
  const place = [(number % columns) * side, Math.floor(number / columns) * side];
  pen.drawImage(await decoded(src), ...place, side, side, left, top, right - left, bottom - top);
  return pen.canvas.toDataURL();
}

/** Return the address of a channel's map over the photo, in the colours of plot.overlay. */
export async function overlayPicture(maps, channel, photo, colours) {
  const {columns, height, width, gap} = maps;
  const small = penOf(width, height);
  const place = [(channel % columns) * (width + gap), Math.floor(channel / columns) * (height + gap)];
  small.drawImage(await decoded(maps.src), ...place, width, height, 0, 0, width, height);
  const pen = penOf(photo.naturalWidth, photo.naturalHeight);
  const size = [pen.canvas.width, pen.canvas.height];
  pen.drawImage(small.canvas, 0, 0, ...size);
  const heat = pen.getImageData(0, 0, ...size).data.filter((_, place) => place % 4 === 0);
  pen.drawImage(photo, 0, 0);
  const picture = pen.getImageData(0, 0, ...size);
  const [low, high] = heat.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [255, 0]);
  heat.forEach((value, pixel) => {
    const colour = colours[high > low ? Math.round((255 * (value - low)) / (high - low)) : 0];
    for (let part = 0; part < 3; part += 1) {
      const at = 4 * pixel + part;
      picture.data[at] = 0.55 * picture.data[at] + 0.45 * colour[part];
    }
  });
  pen.putImageData(picture, 0, 0);
  return pen.canvas.toDataURL();
}

function penOf(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), {width, height});
  return canvas.getContext("2d", {willReadFrequently: true});
}
