// Words of image settings.

import type { Words } from "./types";

export const PICTURE_TEXT = {
  picture: { en: "Picture settings", zh: "图像参数" },
  "picture.brightness": { en: "Brightness", zh: "亮度" },
  "picture.contrast": { en: "Contrast", zh: "对比度" },
  "picture.saturation": { en: "Saturation", zh: "饱和度" },
  "picture.sharpness": { en: "Sharpness", zh: "锐度" },
  "picture.day_night": { en: "Day and night", zh: "日夜模式" },
  "picture.auto": { en: "automatic", zh: "自动" },
  "picture.day": { en: "day", zh: "白天" },
  "picture.night": { en: "night", zh: "夜间" },
} satisfies Record<string, Words>;
