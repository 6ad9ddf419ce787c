import type { Product } from '../api/client'
import { raw } from '../api/client'

/** What the mall takes: media types, bytes, pixels. */
const types = ['image/jpeg', 'image/png', 'image/webp']
const mostBytes = 8 * 1024 * 1024
const mostPixels = 12_000_000

/** The longest side of a picture that was too large to be sent as it is. The mall keeps 1600. */
const side = 2400

/** The size that a picture is drawn in before it is sent; undefined if it is sent as it is. */
export function drawnSize(file: { type: string; size: number }, width: number, height: number): [number, number] | undefined {
  if (types.includes(file.type) && file.size <= mostBytes && width * height <= mostPixels) return undefined
  const factor = Math.min(1, side / Math.max(width, height))
  return [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))]
}

/** Makes of a picture that the mall would refuse one that it takes, if the browser can read it. */
async function fitting(file: File): Promise<Blob> {
  let picture
  try {
    picture = await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    return file // the mall says what is wrong with it
  }
  try {
    const size = drawnSize(file, picture.width, picture.height)
    if (!size) return file
    const canvas = document.createElement('canvas')
    ;[canvas.width, canvas.height] = size
    const brush = canvas.getContext('2d')
    if (!brush) return file
    brush.fillStyle = '#fff'
    brush.fillRect(0, 0, ...size)
    brush.drawImage(picture, 0, 0, ...size)
    return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.92))
  } finally {
    picture.close()
  }
}

/** Puts a picture behind the others of a product. It returns the product, with its address if it is new there. */
export async function uploadPicture(id: string, file: File): Promise<{ product: Product; added: string | undefined }> {
  const blob = await fitting(file)
  const response = await raw(`/v1/products/${id}/pictures`, { method: 'POST', body: blob, headers: { 'Content-Type': blob.type || 'application/octet-stream' } })
  const product = (await response.json()) as Product
  return { product, added: response.status === 201 ? product.pictures.at(-1)?.url : undefined }
}
