// A photo from the camera, made small enough for a weak link: at most 1600 pixels, JPEG. What can't be read (HEIC in
// Chrome) goes as it is. Browsers that do not turn pictures by their EXIF orientation get it done here.

export interface Made {
  data: ArrayBuffer;
  type: string;
}

const SMALL = 300 * 1024;

export function shrink(file: File, weak: boolean): Promise<Made> {
  const asIt: Promise<Made> = bytes(file).then((data) => ({ data, type: file.type || "image/jpeg" }));
  return asIt.then((whole) => {
    if (whole.type === "image/jpeg" && whole.data.byteLength <= SMALL) return whole;
    return drawn(file, orientation(whole.data), weak ? 1280 : 1600, weak ? 0.6 : 0.8).catch(() => whole);
  });
}

export function bytes(blob: Blob): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(blob);
  });
}

function drawn(file: File, turn: number, most: number, quality: number): Promise<Made> {
  return new Promise<HTMLImageElement>((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("not an image here"));
    image.src = URL.createObjectURL(file);
  }).then((image) => {
    const factor = Math.min(1, most / Math.max(image.naturalWidth, image.naturalHeight));
    const [width, height] = [Math.round(image.naturalWidth * factor), Math.round(image.naturalHeight * factor)];
    const own = typeof CSS !== "undefined" && CSS.supports && CSS.supports("image-orientation", "from-image");
    const side = own ? 1 : turn;
    const canvas = document.createElement("canvas");
    canvas.width = side > 4 ? height : width;
    canvas.height = side > 4 ? width : height;
    const pen = canvas.getContext("2d");
    if (!pen) throw new Error("no canvas");
    // EXIF 2.3 §4.6.4 A, tag 274: 3 upside down, 6 to be turned right, 8 to be turned left.
    if (side === 3) pen.transform(-1, 0, 0, -1, width, height);
    else if (side === 6) pen.transform(0, 1, -1, 0, height, 0);
    else if (side === 8) pen.transform(0, -1, 1, 0, 0, width);
    pen.drawImage(image, 0, 0, width, height);
    URL.revokeObjectURL(image.src);
    return jpeg(canvas, quality).then((data) => ({ data, type: "image/jpeg" }));
  });
}

function jpeg(canvas: HTMLCanvasElement, quality: number): Promise<ArrayBuffer> {
  if (canvas.toBlob) {
    return new Promise<Blob>((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("too large"))), "image/jpeg", quality),
    ).then(bytes);
  }
  const text = atob(canvas.toDataURL("image/jpeg", quality).split(",")[1] || "");
  const data = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) data[i] = text.charCodeAt(i);
  return Promise.resolve(data.buffer);
}

/** EXIF's orientation, 1 where none is told. */
export function orientation(buffer: ArrayBuffer): number {
  const view = new DataView(buffer, 0, Math.min(buffer.byteLength, 128 * 1024));
  try {
    if (view.getUint16(0) !== 0xffd8) return 1;
    for (let at = 2; at + 4 < view.byteLength; ) {
      const marker = view.getUint16(at);
      if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966) return inTiff(view, at + 10);
      if ((marker & 0xff00) !== 0xff00 || marker === 0xffda) return 1;
      at += 2 + view.getUint16(at + 2);
    }
  } catch (_) {
    // cut short: a DataView throws past its end
  }
  return 1;
}

function inTiff(view: DataView, tiff: number): number {
  const little = view.getUint16(tiff) === 0x4949;
  const directory = tiff + view.getUint32(tiff + 4, little);
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + i * 12;
    if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little);
  }
  return 1;
}
